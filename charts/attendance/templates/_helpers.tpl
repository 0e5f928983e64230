{{/* Names and labels. An identity has one name everywhere: certificate, Kafka principal, service account, Service. */}}

{{- define "attendance.labels" -}}
{{ include "attendance.selector" . }}
app.kubernetes.io/part-of: attendance
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "attendance.selector" -}}
app.kubernetes.io/name: {{ .identity }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{/* The image `name`, by digest where one is given. */}}
{{- define "attendance.image" -}}
{{- $image := .root.Values.image -}}
{{- with get $image.digests .name -}}
{{ $image.registry }}/{{ $.name }}@{{ . }}
{{- else -}}
{{ $image.registry }}/{{ .name }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Ports and settings' prefixes: those of the settings classes. */}}
{{- define "attendance.services" -}}
ingest: {port: 8001, prefix: INGEST_, program: ingest, values: ingest}
query-api: {port: 8002, prefix: QUERY_API_, program: query-api, values: queryApi}
attendance-projector: {port: 8003, prefix: ATTENDANCE_PROJECTOR_, program: attendance-projector, values: attendanceProjector}
attendance-feed: {port: 8004, prefix: ATTENDANCE_PROJECTOR_, program: attendance-projector, values: attendanceFeed}
recognition-worker: {port: 8010, prefix: RECOGNITION_WORKER_, program: recognition-worker, values: recognitionWorker}
{{- end }}

{{- define "attendance.tls" -}}
{{- if ne .Values.tls.mode "off" }}yes{{ end -}}
{{- end }}

{{/* Identities that have pods of this chart. */}}
{{- define "attendance.identities" -}}
{{- $names := list "ingest" "query-api" "attendance-projector" "attendance-feed" "recognition-worker" -}}
{{- if .Values.gateway.enabled }}{{ $names = append $names "gateway" }}{{ end -}}
{{- if or .Values.prepare.topics .Values.prepare.migrations .Values.prepare.removeOld }}{{ $names = append $names "prepare" }}{{ end -}}
{{- toJson $names -}}
{{- end }}

{{/* Who may connect to an identity, as JSON. */}}
{{- define "attendance.callers" -}}
{{- $callers := list -}}
{{- range $caller, $targets := .root.Files.Get "files/connections.yaml" | fromYaml -}}
{{- if and (has $.identity $targets) (or $.root.Values.gateway.enabled (ne $caller "gateway")) }}{{ $callers = append $callers $caller }}{{ end -}}
{{- end -}}
{{- toJson $callers -}}
{{- end }}

{{/* What exists before hooks run: jobs need it, and hooks run before everything else. */}}
{{- define "attendance.beforeHooks" -}}
{{- if eq .identity "prepare" }}
annotations:
  helm.sh/hook: pre-install,pre-upgrade
  helm.sh/hook-weight: "-20"
  helm.sh/hook-delete-policy: before-hook-creation
{{- end }}
{{- end }}
