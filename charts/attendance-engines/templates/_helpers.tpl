{{- define "engines.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: attendance-engines
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "engines.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{/* Pods of the application that connect to `server`: those that deploy/access.yaml names. */}}
{{- define "engines.callers" -}}
{{- range $identity, $servers := .root.Files.Get "files/connections.yaml" | fromYaml }}
{{- if has $.server $servers }}
- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ $.root.Values.application.namespace }}}}
  podSelector: {matchLabels: {app.kubernetes.io/name: {{ $identity }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* A certificate of the authority: root, name, names (of hosts). */}}
{{- define "engines.certificate" -}}
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {{ .name }}
  labels: {{- include "engines.labels" . | nindent 4 }}
spec:
  secretName: {{ .name }}-tls
  commonName: {{ .commonName | default .name }}
  {{- with .names }}
  dnsNames: {{- toYaml . | nindent 4 }}
  {{- end }}
  duration: 2160h
  renewBefore: 720h
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always{{ if .pkcs8 }}, encoding: PKCS8{{ end }}}
  usages: [digital signature, client auth, server auth]
  issuerRef: {{- toYaml .root.Values.authority.issuer | nindent 4 }}
  {{- with .reload }}
  # The operator looks for changes of secrets that it is told of.
  secretTemplate: {labels: {cnpg.io/reload: ""}}
  {{- end }}
{{- end }}

{{/* Names of a Service, near and far. */}}
{{- define "engines.hosts" -}}
{{- range .names }}
- {{ . }}
- {{ . }}.{{ $.root.Release.Namespace }}
- {{ . }}.{{ $.root.Release.Namespace }}.svc
- {{ . }}.{{ $.root.Release.Namespace }}.svc.cluster.local
{{- end }}
{{- end }}

{{/* One pod with a volume: root, name, values, port, user, command, args, environment, mounts, volumes, probe (text). */}}
{{- define "engines.single" -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .name }}
  labels: {{- include "engines.labels" . | nindent 4 }}
spec:
  serviceName: {{ .name }}
  replicas: 1
  selector:
    matchLabels: {{- include "engines.selector" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "engines.labels" . | nindent 8 }}
    spec:
      serviceAccountName: {{ .name }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        runAsGroup: 10001
        fsGroup: 10001
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: {{ .name }}
          image: {{ .values.image }}
          imagePullPolicy: IfNotPresent
          {{- with .command }}
          command: {{ toJson . }}
          {{- end }}
          {{- with .args }}
          args: {{ toJson . }}
          {{- end }}
          {{- with .environment }}
          env: {{- . | trim | nindent 12 }}
          {{- end }}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            runAsNonRoot: true
            capabilities: {drop: [ALL]}
          ports:
            - {name: {{ .name | trunc 15 }}, containerPort: {{ .port }}}
          readinessProbe:
            {{- .probe | trim | nindent 12 }}
            periodSeconds: 5
          livenessProbe:
            tcpSocket: {port: {{ .port }}}
            initialDelaySeconds: 30
            periodSeconds: 15
          resources: {{- toYaml .values.resources | nindent 12 }}
          volumeMounts:
            - {name: data, mountPath: /data}
            - {name: tmp, mountPath: /tmp}
            - {name: tls, mountPath: /run/tls, readOnly: true}
            {{- with .mounts }}
            {{- . | trim | nindent 12 }}
            {{- end }}
      volumes:
        - {name: tmp, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
        - {name: tls, secret: {secretName: {{ .name }}-tls, defaultMode: 0440}}
        {{- with .volumes }}
        {{- . | trim | nindent 8 }}
        {{- end }}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .root.Values.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources: {requests: {storage: {{ .values.size }}}}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  labels: {{- include "engines.labels" . | nindent 4 }}
automountServiceAccountToken: false
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  labels: {{- include "engines.labels" . | nindent 4 }}
spec:
  # The one pod's own address.
  clusterIP: None
  selector: {{- include "engines.selector" . | nindent 4 }}
  ports:
    - {name: {{ .name | trunc 15 }}, port: {{ .port }}, targetPort: {{ .port }}}
---
{{ include "engines.certificate" (dict "root" .root "name" .name "pkcs8" .pkcs8 "names" (include "engines.hosts" (dict "root" .root "names" (list .name)) | fromYamlArray)) }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  labels: {{- include "engines.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "engines.selector" . | nindent 6 }}
  # It connects to nobody.
  policyTypes: [Ingress, Egress]
  ingress:
    - ports: [{protocol: TCP, port: {{ .port }}}]
      from: {{- include "engines.callers" (dict "root" .root "server" .name) | trim | nindent 8 }}
{{- end }}
