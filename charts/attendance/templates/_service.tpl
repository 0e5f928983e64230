{{/*
A service: Deployment, disruption budget, Service, and an autoscaler by CPU where it is asked for.
root, identity, environment (text), secrets; and where they differ: image, command, serves, scaled, nodeSelector, tolerations,
limits, volumes and mounts (text).
*/}}
{{- define "attendance.deployment" -}}
{{- $service := get (fromYaml (include "attendance.services" .root)) .identity -}}
{{- $values := get .root.Values $service.values -}}
{{- $pod := merge (dict "prefix" $service.prefix "port" $service.port "program" $service.program "tmpSize" $values.tmpSize) . -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .identity }}
  labels: {{- include "attendance.labels" . | nindent 4 }}
spec:
  {{- if not .scaled }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  progressDeadlineSeconds: 900
  minReadySeconds: 5
  strategy:
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  selector:
    matchLabels: {{- include "attendance.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "attendance.labels" . | nindent 8 }}
      annotations:
        kubectl.kubernetes.io/default-container: {{ .identity }}
        {{- if and (eq .root.Values.secrets.mode "values") .secrets }}
        checksum/secrets: {{ get .root.Values.secrets.values .identity | toJson | sha256sum }}
        {{- end }}
        {{- with .root.Values.pods.annotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "attendance.pod.security" . | nindent 6 }}
      # A stop takes 15 s at most, and then leaves the consumer group, so others take over before its session ends.
      terminationGracePeriodSeconds: 45
      containers:
        - name: {{ .identity }}
          image: {{ include "attendance.image" (dict "root" .root "name" (.image | default .identity)) }}
          {{- with .command }}
          command: {{ toJson . }}
          {{- end }}
          {{- include "attendance.container.security" . | nindent 10 }}
          env:
            - {name: SECRETS_DIR, value: /run/secrets}
            {{- include "attendance.env.listener" $pod | nindent 12 }}
            {{- .environment | trim | nindent 12 }}
            {{- range $name, $value := $values.settings }}
            - {name: {{ $name }}, value: {{ $value | toString | quote }}}
            {{- end }}
          ports:
            - {name: http, containerPort: {{ $service.port }}}
          startupProbe:
            {{- include "attendance.probe" (merge (dict "kind" "live" "every" 5) $pod) | nindent 12 }}
            failureThreshold: 60
          livenessProbe:
            {{- include "attendance.probe" (merge (dict "kind" "live" "every" 15) $pod) | nindent 12 }}
            failureThreshold: 4
          readinessProbe:
            {{- include "attendance.probe" (merge (dict "kind" "ready" "every" 5) $pod) | nindent 12 }}
            failureThreshold: 2
          {{- if .serves }}
          lifecycle:
            # Until nobody sends new requests here; those under way are then answered.
            preStop: {sleep: {seconds: 5}}
          {{- end }}
          resources: {{- merge (dict) (dict "limits" (.limits | default dict)) $values.resources | toYaml | nindent 12 }}
          volumeMounts:
            {{- include "attendance.mounts" $pod | nindent 12 }}
            {{- with .mounts }}
            {{- . | trim | nindent 12 }}
            {{- end }}
      volumes:
        {{- include "attendance.volumes" $pod | nindent 8 }}
        {{- with .volumes }}
        {{- . | trim | nindent 8 }}
        {{- end }}
      {{- include "attendance.placement" . | nindent 6 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .identity }}
  labels: {{- include "attendance.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  # A pod that is not ready holds up nobody's node.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "attendance.selector" . | nindent 6 }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .identity }}
  labels: {{- include "attendance.labels" . | nindent 4 }}
spec:
  selector: {{- include "attendance.selector" . | nindent 4 }}
  ports:
    - {name: http, port: {{ $service.port }}, targetPort: http}
{{- end }}

{{/* root, identity, autoscaling. */}}
{{- define "attendance.autoscaler" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .identity }}
  labels: {{- include "attendance.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .identity }}}
  minReplicas: {{ .autoscaling.minReplicas }}
  maxReplicas: {{ .autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ .autoscaling.cpuPercent }}}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 300
{{- end }}
