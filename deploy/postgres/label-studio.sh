#!/bin/sh
# Label Studio's own database and account, made when PostgreSQL starts for the first time.
set -eu
psql --no-psqlrc --set=ON_ERROR_STOP=1 --set=password="$LABEL_STUDIO_POSTGRES_PASSWORD" \
    --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
CREATE ROLE label_studio LOGIN PASSWORD :'password';
CREATE DATABASE label_studio OWNER label_studio;
SQL
