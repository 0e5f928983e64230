{{/* Adds the issuer's keys as a file, where they are not at a URL. */}}
{{- define "attendance.jwks" -}}
{{- with .root.Values.auth.jwksSecret -}}
{{- $_ := set $ "volumes" (printf "- {name: jwks, secret: {secretName: %s, defaultMode: 0440}}" .) -}}
{{- $_ := set $ "mounts" "- {name: jwks, mountPath: /run/auth, readOnly: true}" -}}
{{- end -}}
{{- end }}
