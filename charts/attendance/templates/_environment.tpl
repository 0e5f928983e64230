{{/* Groups of variables, as service_kit.settings has them. What has no effect is not set: services refuse it by name. */}}

{{/* The certificate variables of one server or listener: `prefix`, `authority`, `certificate`. */}}
{{- define "attendance.env.certificate" -}}
{{- if .authority }}
- {name: {{ .prefix }}SSL_CA_FILE, value: /run/tls/ca.crt}
{{- end }}
{{- if .certificate }}
- {name: {{ .prefix }}SSL_CERT_FILE, value: /run/tls/tls.crt}
- {name: {{ .prefix }}SSL_KEY_FILE, value: /run/tls/tls.key}
{{- end }}
{{- end }}

{{- define "attendance.env.kafka" -}}
{{- $tls := and (include "attendance.tls" .) (hasSuffix "SSL" .Values.kafka.securityProtocol) -}}
- {name: KAFKA_BOOTSTRAP_SERVERS, value: {{ required "kafka.bootstrapServers: name your brokers" .Values.kafka.bootstrapServers | quote }}}
{{- with .Values.kafka.topicPrefix }}
- {name: KAFKA_TOPIC_PREFIX, value: {{ . | quote }}}
{{- end }}
- {name: KAFKA_SECURITY_PROTOCOL, value: {{ .Values.kafka.securityProtocol }}}
{{- if hasPrefix "SASL" .Values.kafka.securityProtocol }}
- {name: KAFKA_SASL_MECHANISM, value: {{ .Values.kafka.saslMechanism }}}
{{- end }}
{{- if $tls }}
{{- include "attendance.env.certificate" (dict "prefix" "KAFKA_" "authority" .Values.kafka.privateAuthority "certificate" .Values.kafka.clientCertificate) }}
{{- end }}
{{- end }}

{{- define "attendance.env.registry" -}}
- {name: SCHEMA_REGISTRY_URL, value: {{ required "registry.url: name the schema registry" .Values.registry.url | quote }}}
{{- if and (include "attendance.tls" .) (hasPrefix "https:" .Values.registry.url) }}
{{- include "attendance.env.certificate" (dict "prefix" "SCHEMA_REGISTRY_" "authority" .Values.registry.privateAuthority "certificate" .Values.registry.clientCertificate) }}
{{- end }}
{{- end }}

{{- define "attendance.env.objectStore" -}}
- {name: OBJECT_STORE_ENDPOINT, value: {{ required "objectStore.endpoint: name the object store" .Values.objectStore.endpoint | quote }}}
- {name: OBJECT_STORE_BUCKET, value: {{ required "objectStore.bucket: name the bucket" .Values.objectStore.bucket | quote }}}
- {name: OBJECT_STORE_REGION, value: {{ .Values.objectStore.region | quote }}}
{{- if and (include "attendance.tls" .) (hasPrefix "https:" .Values.objectStore.endpoint) }}
{{- include "attendance.env.certificate" (dict "prefix" "OBJECT_STORE_" "authority" .Values.objectStore.privateAuthority "certificate" .Values.objectStore.clientCertificate) }}
{{- end }}
{{- end }}

{{- define "attendance.env.valkey" -}}
{{- if and (include "attendance.tls" .) .Values.valkey.tls }}
{{- include "attendance.env.certificate" (dict "prefix" "VALKEY_" "authority" .Values.valkey.privateAuthority "certificate" .Values.valkey.clientCertificate) }}
{{- end }}
{{- end }}

{{- define "attendance.env.auth" -}}
{{- if not (or .Values.auth.jwks .Values.auth.jwksSecret) }}{{ fail "auth: set jwks, the URL of the issuer's keys, or jwksSecret" }}{{ end -}}
- {name: AUTH_ISSUER, value: {{ required "auth.issuer: say whose tokens are trusted" .Values.auth.issuer | quote }}}
- {name: AUTH_AUDIENCE, value: {{ .Values.auth.audience | quote }}}
- {name: AUTH_JWKS, value: {{ empty .Values.auth.jwksSecret | ternary .Values.auth.jwks "/run/auth/jwks.json" | quote }}}
{{- if and (include "attendance.tls" .) .Values.auth.privateAuthority }}
- {name: AUTH_SSL_CA_FILE, value: /run/tls/ca.crt}
{{- end }}
{{- end }}

{{/* What every service that listens has. */}}
{{- define "attendance.env.listener" -}}
- {name: {{ .prefix }}HOST, value: "0.0.0.0"}
- {name: {{ .prefix }}PORT, value: {{ .port | quote }}}
{{- with .root.Values.tracing.endpoint }}
- {name: {{ $.prefix }}TRACING_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- if include "attendance.tls" .root }}
{{- include "attendance.env.certificate" (dict "prefix" .prefix "authority" false "certificate" true) }}
{{- if .root.Values.tls.clientCertificates }}
- {name: {{ .prefix }}SSL_CLIENT_CA_FILE, value: /run/tls/ca.crt}
- {name: {{ .prefix }}SSL_CLIENT_NAMES, value: {{ append (include "attendance.callers" . | fromJsonArray) .identity | join "," | quote }}}
{{- end }}
{{- end }}
{{- end }}
