{{- /* Who works on catalog and objects. */ -}}
{{- define "maskloom.environment" -}}
- {name: MASKLOOM_HOME, value: /var/lib/maskloom}
- {name: HOME, value: /var/lib/maskloom}
{{- if .Values.postgresql.enabled }}
- name: MASKLOOM_DATABASE_PASSWORD
  {{- include "maskloom.fromSecret" (dict "root" . "key" "postgres-password") | nindent 2 }}
- name: MASKLOOM_DATABASE_URL
  value: postgresql://maskloom:$(MASKLOOM_DATABASE_PASSWORD)@{{ include "maskloom.fullname" . }}-postgresql:5432/maskloom
{{- else }}
- name: MASKLOOM_DATABASE_URL
  {{- include "maskloom.fromSecret" (dict "root" . "key" "database-url") | nindent 2 }}
{{- end }}
- name: MASKLOOM_OBJECTS_URL
  value: {{ include "maskloom.objectsUrl" . | quote }}
{{ include "maskloom.bucketKeys" . }}
# There may be none now: who asks for one brings it. Who queues a run settles its precision by this.
- {name: MASKLOOM_RAY_GPUS, value: {{ .Values.ray.gpuWorkers.enabled | quote }}}
{{- with .Values.external.traces.endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- end }}

{{- define "maskloom.objectsUrl" -}}
{{- if .Values.seaweedfs.enabled -}}
s3://maskloom/objects?endpoint={{ include "maskloom.fullname" . }}-seaweedfs:8333&secure=false&region=us-east-1
{{- else }}{{ .Values.external.objects.url }}{{ end }}
{{- end }}

{{- define "maskloom.bucketKeys" -}}
- name: AWS_ACCESS_KEY_ID
  {{- include "maskloom.fromSecret" (dict "root" . "key" "s3-access-key") | nindent 2 }}
- name: AWS_SECRET_ACCESS_KEY
  {{- include "maskloom.fromSecret" (dict "root" . "key" "s3-secret-key") | nindent 2 }}
{{- end }}

{{- define "maskloom.imports" -}}
{{- with .Values.external.imports.sources }}
- {name: MASKLOOM_IMPORT_SOURCES, value: {{ join " " . | quote }}}
{{- end }}
{{- end }}

{{- define "maskloom.rayToken" -}}
- {name: RAY_AUTH_MODE, value: token}
- name: RAY_AUTH_TOKEN
  {{- include "maskloom.fromSecret" (dict "root" . "key" "auth_token") | nindent 2 }}
- {name: RAY_USAGE_STATS_ENABLED, value: "0"}
# Logs of nodes that live long would fill their disk.
- {name: RAY_ROTATION_MAX_BYTES, value: "16777216"}
- {name: RAY_ROTATION_BACKUP_COUNT, value: "3"}
{{- end }}

{{- /* Ports that Ray would choose by chance, pinned so that network policies can name them: those of every node, as rayStartParams. */ -}}
{{- define "maskloom.rayPorts" -}}
node-manager-port: "6380"
object-manager-port: "6381"
runtime-env-agent-port: "6382"
dashboard-agent-grpc-port: "6383"
metrics-export-port: "8080"
dashboard-agent-listen-port: "52365"
min-worker-port: "10002"
max-worker-port: "10999"
# Only digests and figures pass through Ray.
object-store-memory: "104857600"
{{- end }}

{{- define "maskloom.scratch" -}}
- {name: home, emptyDir: {sizeLimit: {{ . }}}}
- {name: tmp, emptyDir: {sizeLimit: 2Gi}}
{{- end }}

{{- define "maskloom.scratchMounts" -}}
- {name: home, mountPath: /var/lib/maskloom}
- {name: tmp, mountPath: /tmp}
{{- end }}
