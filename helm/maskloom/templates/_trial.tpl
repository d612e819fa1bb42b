{{- /* A single pod on one volume. `mounts` and `volumes`: what it needs besides `data`. */ -}}
{{- define "maskloom.trial" -}}
{{- $name := printf "%s-%s" (include "maskloom.fullname" .root) .part -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $name }}
  labels: {{ include "maskloom.labels" . | nindent 4 }}
spec:
  serviceName: {{ $name }}
  replicas: 1
  selector:
    matchLabels: {{ include "maskloom.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{ include "maskloom.selector" . | nindent 8 }}
    spec:
      serviceAccountName: {{ include "maskloom.fullname" .root }}
      {{- include "maskloom.pod" . | nindent 6 }}
      terminationGracePeriodSeconds: 60
      containers:
        - name: {{ .part }}
          {{- include "maskloom.image" (dict "root" .root "image" .values.image) | nindent 10 }}
          {{- .container | nindent 10 }}
          ports:
            - {name: {{ .portName }}, containerPort: {{ .port }}}
          startupProbe:
            {{- .probe | nindent 12 }}
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 60
          livenessProbe:
            {{- .probe | nindent 12 }}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            {{- .probe | nindent 12 }}
            periodSeconds: 10
            timeoutSeconds: 5
          resources: {{ toYaml .values.resources | nindent 12 }}
          volumeMounts:
            - {name: data, mountPath: {{ .path }}}
            {{- range $name, $path := .empty }}
            - {name: {{ $name }}, mountPath: {{ $path }}}
            {{- end }}
      volumes:
        {{- range $name, $path := .empty }}
        - {name: {{ $name }}, emptyDir: {}}
        {{- end }}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .values.storage.className }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests: {storage: {{ .values.storage.size }}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels: {{ include "maskloom.labels" . | nindent 4 }}
spec:
  selector: {{ include "maskloom.selector" . | nindent 4 }}
  ports:
    - {name: {{ .portName }}, port: {{ .port }}, targetPort: {{ .portName }}}
{{- end }}
