{{/* Everything of a pod but its container's name, image and command: what Pod Security `restricted` asks for, and more. */}}

{{- define "attendance.pod.security" -}}
serviceAccountName: {{ .identity }}
automountServiceAccountToken: false
# Variables such as INGEST_PORT of Kubernetes' own would be taken for settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.pods.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "attendance.container.security" -}}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* `tmpSize`; `secrets`: whether the identity has any. */}}
{{- define "attendance.volumes" -}}
# In memory: what comes in is never written to a node's disk.
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: {{ .tmpSize }}}
{{- if .secrets }}
- name: secrets
  secret: {secretName: {{ .identity }}-secrets, defaultMode: 0440}
{{- end }}
{{- if include "attendance.tls" .root }}
- name: tls
  secret: {secretName: {{ .identity }}-tls, defaultMode: 0440}
{{- end }}
{{- end }}

{{- define "attendance.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .secrets }}
- {name: secrets, mountPath: /run/secrets, readOnly: true}
{{- end }}
{{- if include "attendance.tls" .root }}
- {name: tls, mountPath: /run/tls, readOnly: true}
{{- end }}
{{- end }}

{{/*
The kubelet has no certificate: where one is asked for, the service's own command asks its port. Starting it takes a third of a second of a
core, so it starts half as often. kind, every (seconds).
*/}}
{{- define "attendance.probe" -}}
{{- if and (include "attendance.tls" .root) .root.Values.tls.clientCertificates -}}
exec: {command: [{{ .program }}, probe, {{ .kind }}]}
timeoutSeconds: 10
periodSeconds: {{ mul 2 .every }}
{{- else -}}
httpGet: {path: /health/{{ .kind }}, port: http, scheme: {{ include "attendance.tls" .root | empty | ternary "HTTP" "HTTPS" }}}
timeoutSeconds: 5
periodSeconds: {{ .every }}
{{- end }}
{{- end }}

{{- define "attendance.placement" -}}
{{- $chosen := merge (dict) (.nodeSelector | default dict) .root.Values.pods.nodeSelector -}}
{{- with $chosen }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with concat (.tolerations | default list) .root.Values.pods.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $.root.Values.pods.spread }}
    # Each version spreads by itself: during an upgrade the old pods do not push the new ones together.
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels: {{- include "attendance.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
