{{- define "maskloom.fullname" -}}
{{- /* KubeRay adds to the name of its cluster, and has to stay below 63 characters. */ -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "maskloom.chartLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: maskloom
{{- end }}

{{- /* What selects the pods of a part; it may never change. Without app.kubernetes.io/name, which KubeRay wants for itself. */ -}}
{{- define "maskloom.selector" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "maskloom.labels" -}}
{{ include "maskloom.chartLabels" .root }}
{{ include "maskloom.selector" . }}
{{- end }}

{{- define "maskloom.image" -}}
{{- $tag := .image.tag | default (printf "%s%s" .root.Chart.AppVersion (.suffix | default "")) -}}
image: {{ if .image.digest }}{{ printf "%s@%s" .image.repository .image.digest }}{{ else }}{{ printf "%s:%s" .image.repository $tag }}{{ end }}
imagePullPolicy: {{ .image.pullPolicy }}
{{- end }}

{{- define "maskloom.secret" -}}
{{ .Values.existingSecret | default (include "maskloom.fullname" .) }}
{{- end }}

{{- define "maskloom.fromSecret" -}}
valueFrom:
  secretKeyRef: {name: {{ include "maskloom.secret" .root }}, key: {{ .key }}}
{{- end }}

{{- /* What every pod of a part has, as the pod security standard `restricted` wants it. `user`: whom its image runs as. */ -}}
{{- define "maskloom.pod" -}}
{{- $user := .user | default 10001 -}}
automountServiceAccountToken: false
# Addresses of services as variables would look like settings: MASKLOOM_BRIDGE_PORT.
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{ include "maskloom.podSecurity" $user }}
{{- end }}

{{- define "maskloom.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ . }}
  runAsGroup: {{ . }}
  fsGroup: {{ . }}
  # Else modes of files are widened at each mount, and PostgreSQL refuses a folder that a group may write.
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "maskloom.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "maskloom.publicUrl" -}}
{{- if .Values.url }}{{ .Values.url }}{{ else if .Values.ingress.enabled }}https://{{ .Values.ingress.host }}{{ end }}
{{- end }}

{{- define "maskloom.labelStudioUrl" -}}
{{- with .Values.labelStudio }}
{{- if and .enabled .ingress.host }}https://{{ .ingress.host }}
{{- else if .enabled }}http://{{ include "maskloom.fullname" $ }}-label-studio:8080
{{- else }}{{ $.Values.external.labelStudio.url }}{{ end }}
{{- end }}
{{- end }}

{{- define "maskloom.refusals" -}}
{{- with .Values }}
{{- if and (not .postgresql.enabled) (not .existingSecret) }}{{ fail "postgresql.enabled=false needs existingSecret, with the key database-url" }}{{ end }}
{{- if and (not .seaweedfs.enabled) (not (and .existingSecret .external.objects.url)) }}{{ fail "seaweedfs.enabled=false needs external.objects.url and existingSecret, with the keys s3-access-key and s3-secret-key" }}{{ end }}
{{- if and .labelStudio.enabled .external.labelStudio.url }}{{ fail "labelStudio.enabled and external.labelStudio.url are two Label Studios: choose one" }}{{ end }}
{{- if and .external.labelStudio.url (not .existingSecret) }}{{ fail "external.labelStudio.url needs existingSecret, with the key label-studio-token" }}{{ end }}
{{- if and .external.oidc.issuer (not (and .existingSecret .external.oidc.clientId (include "maskloom.publicUrl" $))) }}{{ fail "external.oidc.issuer needs external.oidc.clientId, url or an ingress, and existingSecret, with the key oidc-client-secret" }}{{ end }}
{{- if and .ingress.enabled (not .ingress.host) }}{{ fail "ingress.enabled needs ingress.host" }}{{ end }}
{{- if not (or .ray.cpuWorkers.enabled .ray.gpuWorkers.enabled) }}{{ fail "one of ray.cpuWorkers and ray.gpuWorkers has to be enabled: nothing could be trained" }}{{ end }}
{{- end }}
{{- end }}
