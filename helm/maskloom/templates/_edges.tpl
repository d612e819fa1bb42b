{{- /* Pods of these parts, as peers of a network policy. */ -}}
{{- define "maskloom.peers" -}}
{{- $root := .root -}}
{{- range .parts }}
- podSelector:
    matchLabels: {{ include "maskloom.selector" (dict "root" $root "part" .) | nindent 6 }}
{{- end }}
{{- end }}

{{- /* The way out to something that is not of the chart. */ -}}
{{- define "maskloom.outside" -}}
- to: {{ toYaml .to | nindent 4 }}
  ports:
    {{- range .ports | default (list .port) }}
    - {protocol: TCP, port: {{ int . }}}
    {{- end }}
{{- end }}

{{- define "maskloom.toDatabase" -}}
{{- if .Values.postgresql.enabled }}
- to: {{ include "maskloom.peers" (dict "root" . "parts" (list "postgresql")) | nindent 4 }}
  ports: [{protocol: TCP, port: 5432}]
{{- else }}
{{ include "maskloom.outside" .Values.external.database }}
{{- end }}
{{- end }}

{{- define "maskloom.toObjects" -}}
{{- if .Values.seaweedfs.enabled }}
- to: {{ include "maskloom.peers" (dict "root" . "parts" (list "seaweedfs")) | nindent 4 }}
  ports: [{protocol: TCP, port: 8333}]
{{- else }}
{{ include "maskloom.outside" .Values.external.objects }}
{{- end }}
{{- end }}

{{- define "maskloom.toTraces" -}}
{{- if .Values.external.traces.endpoint }}
{{ include "maskloom.outside" .Values.external.traces }}
{{- end }}
{{- end }}

{{- /* Where a node of Ray listens for others: rayPorts, and the head's GCS. */ -}}
{{- define "maskloom.rayNodePorts" -}}
- {protocol: TCP, port: 6379, endPort: 6383}
- {protocol: TCP, port: 8080}
- {protocol: TCP, port: 10002, endPort: 10999}
- {protocol: TCP, port: 52365}
{{- end }}

{{- define "maskloom.policy" -}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "maskloom.fullname" .root }}-{{ .part }}
  labels: {{ include "maskloom.chartLabels" .root | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{ include "maskloom.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end }}
