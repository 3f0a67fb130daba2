{{- define "ringup.name" -}}
{{- if contains "ringup" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-ringup" (.Release.Name | trunc 33 | trimSuffix "-") }}{{ end -}}
{{- end }}

{{- define "ringup.selector" -}}
app.kubernetes.io/name: ringup
app.kubernetes.io/part-of: ringup
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "ringup.labels" -}}
{{ include "ringup.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* Refuses combinations of values that are valid one by one. */}}
{{- define "ringup.check" -}}
{{- $r := .Values.redis }}
{{- if and (eq $r.mode "standalone") (not $r.host) }}{{ fail "redis.host is empty: set the address of your Redis (or redis.mode to sentinel or cluster, and redis.addrs)" }}{{ end }}
{{- if and (ne $r.mode "standalone") (not $r.addrs) }}{{ fail (printf "redis.addrs is empty: with redis.mode=%s set host:port, separated by commas" $r.mode) }}{{ end }}
{{- if and (eq $r.mode "sentinel") (not $r.sentinelMaster) }}{{ fail "redis.sentinelMaster is empty: set the name under which the sentinels know the master" }}{{ end }}
{{- $possible := dict "sms" "twilio, aws" "email" "sendgrid, aws" "whatsapp" "twilio, business" }}
{{- $some := false }}
{{- range $channel, $c := .Values.channels }}
{{- if $c.enabled }}
{{- $some = true }}
{{- if not $c.providers }}{{ fail (printf "channels.%s.providers is empty: set one or more of %s (or sandbox, to try ringup out), or channels.%s.enabled=false" $channel (get $possible $channel) $channel) }}{{ end }}
{{- if hasKey $c.config "RINGUP_PREFIX" }}{{ fail (printf "channels.%s.config has RINGUP_PREFIX: set it in config, for all programs and KEDA" $channel) }}{{ end }}
{{- if gt (int $c.minReplicas) (int $c.maxReplicas) }}{{ fail (printf "channels.%s.minReplicas is above its maxReplicas" $channel) }}{{ end }}
{{- end }}
{{- end }}
{{- with .Values.resolve }}
{{- if and .enabled (not .senders) }}{{ fail "resolve.senders is empty: set one or more of square, stripe, or resolve.enabled=false" }}{{ end }}
{{- if hasKey .config "RINGUP_PREFIX" }}{{ fail "resolve.config has RINGUP_PREFIX: set it in config, for all programs and KEDA" }}{{ end }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}{{ fail "resolve.minReplicas is above its maxReplicas" }}{{ end }}
{{- end }}
{{- if not $some }}{{ fail "no channel is enabled: set channels.sms.enabled=true, or another" }}{{ end }}
{{- if and .Values.gateway.enabled .Values.ingress.enabled }}{{ fail "gateway.enabled and ingress.enabled are both true: choose one way in" }}{{ end }}
{{- end }}

{{/* Not empty where the chart makes the route from outside. */}}
{{- define "ringup.wayIn" -}}{{ if or .Values.gateway.enabled .Values.ingress.enabled }}true{{ end }}{{- end }}

{{/* Variables that all programs share. */}}
{{- define "ringup.config" -}}
{{- $env := dict }}
{{- $r := .Values.redis }}
{{- if eq $r.mode "standalone" }}
{{- $_ := set $env "REDIS_HOST" $r.host }}
{{- $_ := set $env "REDIS_PORT" (toString $r.port) }}
{{- else }}
{{- $_ := set $env "REDIS_ADDRS" $r.addrs }}
{{- if eq $r.mode "sentinel" }}{{ $_ := set $env "REDIS_SENTINEL_MASTER" $r.sentinelMaster }}{{ end }}
{{- end }}
{{- if $r.tls }}{{ $_ := set $env "REDIS_TLS" "true" }}{{ end }}
{{- $enabled := list }}
{{- range $channel := list "sms" "email" "whatsapp" }}
{{- $c := get $.Values.channels $channel }}
{{- if $c.enabled }}
{{- $enabled = append $enabled $channel }}
{{- $_ := set $env (printf "%s_PROVIDER" (upper $channel)) (join "," $c.providers) }}
{{- end }}
{{- end }}
{{- if .Values.resolve.enabled }}{{ $_ := set $env "RESOLVE_SENDERS" (join "," .Values.resolve.senders) }}{{ end }}
{{- if lt (len $enabled) 3 }}{{ $_ := set $env "CHANNELS" (join "," $enabled) }}{{ end }}
{{- if and (include "ringup.wayIn" .) (get .Values.config "TRUSTED_PROXIES") (not (hasKey .Values.config "REQUIRE_TLS")) }}{{ $_ := set $env "REQUIRE_TLS" "true" }}{{ end }}
{{- toYaml (merge $env .Values.config) }}
{{- end }}

{{- define "ringup.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "ringup.spread" -}}
topologySpreadConstraints:
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "ringup.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}

{{- define "ringup.image" -}}
{{- with get .root.Values.image.digests .program }}
image: {{ printf "%s/%s@%s" $.root.Values.image.repository $.program . }}
{{- else }}
image: {{ printf "%s/%s:%s" .root.Values.image.repository .program (.root.Values.image.tag | default .root.Chart.AppVersion) }}
{{- end }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- end }}

{{- define "ringup.container" -}}
startupProbe:
  httpGet: {path: /healthz, port: ops}
  periodSeconds: 1
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /healthz, port: ops}
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: ops}
  periodSeconds: {{ .ready }}
  timeoutSeconds: 4
  failureThreshold: 2
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* The variables that a program takes from its Secret: root, secret, variables, and files, the names of those that are files. Others are in the Secret in vain. */}}
{{- define "ringup.secrets" -}}
{{- range .variables }}
{{- if has . $.files }}
- {name: {{ . }}_FILE, value: /etc/ringup/secrets/{{ . }}}
{{- else }}
- {name: {{ . }}, valueFrom: {secretKeyRef: {name: {{ $.secret }}, key: {{ . }}, optional: true}}}
{{- end }}
{{- end }}
{{- end }}

{{/* The volumes with those that are files, and where they are mounted. */}}
{{- define "ringup.secretMounts" -}}
{{- range .variables }}{{ if has . $.files }}{{ if not $.done }}{{ $_ := set $ "done" true }}
volumeMounts:
  - {name: secrets, mountPath: /etc/ringup/secrets, readOnly: true}
{{- end }}{{ end }}{{ end }}
{{- end }}

{{- define "ringup.secretVolumes" -}}
{{- $items := list }}
{{- range .variables }}{{ if has . $.files }}{{ $items = append $items (dict "key" . "path" .) }}{{ end }}{{ end }}
{{- if $items }}
volumes:
  - name: secrets
    secret: {secretName: {{ .secret }}, defaultMode: 0440, items: {{ toJson $items }}}
{{- end }}
{{- end }}

{{/* What ingest takes from its Secret. Twilio signs callbacks with the account's primary token: without PUBLIC_URL there are none. */}}
{{- define "ringup.ingestSecrets" -}}
{{- $all := list "REDIS_USERNAME" "REDIS_PASSWORD" "WEBHOOK_AUTH_TOKEN" "WEBHOOK_SECRET" "SHOPIFY_WEBHOOK_SECRET" "WOOCOMMERCE_WEBHOOK_SECRET" "STRIPE_WEBHOOK_SECRET" "TOAST_WEBHOOK_SECRET" "SQUARE_SIGNATURE_KEY" "LOYVERSE_CLIENT_SECRET" "LOYVERSE_PATH_KEY" "CLOVER_AUTH_CODE" "CLOVER_SIGNING_SECRET" "LIGHTSPEED_CLIENT_SECRET" "LIGHTSPEED_PATH_KEY" "UNSUBSCRIBE_SECRET" "OTEL_EXPORTER_OTLP_HEADERS" }}
{{- $used := list }}
{{- range $c := .Values.channels }}{{ if $c.enabled }}{{ $used = concat $used $c.providers }}{{ end }}{{ end }}
{{- if and (get .Values.config "PUBLIC_URL") (has "twilio" $used) }}{{ $all = append $all "TWILIO_AUTH_TOKEN" }}{{ end }}
{{- if has "business" $used }}{{ $all = concat $all (list "WHATSAPP_APP_SECRET" "WHATSAPP_VERIFY_TOKEN") }}{{ end }}
{{- toJson $all }}
{{- end }}

{{/* What the workers of a channel take from theirs. */}}
{{- define "ringup.workerSecrets" -}}
{{- $all := list "REDIS_USERNAME" "REDIS_PASSWORD" "OTEL_EXPORTER_OTLP_HEADERS" }}
{{- if eq .channel "email" }}{{ $all = append $all "UNSUBSCRIBE_SECRET" }}{{ end }}
{{- $of := dict "sandbox" list "twilio" (list "TWILIO_ACCOUNT_SID" "TWILIO_AUTH_TOKEN") "aws" (list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" "AWS_SESSION_TOKEN") "sendgrid" (list "SENDGRID_API_KEY") "business" (list "WHATSAPP_ACCESS_TOKEN") }}
{{- range .providers }}{{ $all = concat $all (get $of .) }}{{ end }}
{{- toJson $all }}
{{- end }}

{{/* What resolve takes from its own: the tokens of the senders that it asks. */}}
{{- define "ringup.resolveSecrets" -}}
{{- $all := list "REDIS_USERNAME" "REDIS_PASSWORD" "OTEL_EXPORTER_OTLP_HEADERS" }}
{{- $of := dict "square" "SQUARE_ACCESS_TOKEN" "stripe" "STRIPE_API_KEY" "loyverse" "LOYVERSE_ACCESS_TOKEN" "clover" "CLOVER_ACCESS_TOKEN" "lightspeed" "LIGHTSPEED_ACCESS_TOKEN" "toast" "TOAST_CLIENT_SECRET" }}
{{- range .Values.resolve.senders }}{{ $all = append $all (get $of .) }}{{ end }}
{{- toJson $all }}
{{- end }}

{{/* The workers that there are, by queue: those of the channels, and resolve. */}}
{{- define "ringup.workers" -}}
{{- $all := dict }}
{{- range $name, $c := .Values.channels }}{{ if $c.enabled }}{{ $_ := set $all $name $c }}{{ end }}{{ end }}
{{- if .Values.resolve.enabled }}{{ $_ := set $all "resolve" .Values.resolve }}{{ end }}
{{- toJson $all }}
{{- end }}

{{/* The ports of Redis: those of redis.addrs, and behind sentinels redis.port too. */}}
{{- define "ringup.redisPorts" -}}
{{- $ports := list }}
{{- if ne .Values.redis.mode "standalone" }}
{{- range splitList "," .Values.redis.addrs }}{{ $ports = append $ports (splitList ":" . | last | trim | int) }}{{ end }}
{{- end }}
{{- if ne .Values.redis.mode "cluster" }}{{ $ports = append $ports (int .Values.redis.port) }}{{ end }}
{{- $ports | uniq | toJson }}
{{- end }}

{{/* What admin takes from its Secret. */}}
{{- define "ringup.adminSecrets" -}}
{{- list "REDIS_USERNAME" "REDIS_PASSWORD" "ADMIN_TOKEN" "ADMIN_VIEW_TOKEN" | toJson }}
{{- end }}

{{/* The variables that only the workers of a channel, or resolve, have: channel, and c, its values. */}}
{{- define "ringup.workerConfig" -}}
{{- $own := .c.config }}
{{- if ne .channel "resolve" }}{{ $own = merge (dict "CHANNEL" .channel) $own }}{{ end }}
{{- if .c.rateLimit }}{{ $_ := set $own "RATE_LIMIT" (toString .c.rateLimit) }}{{ end }}
{{- toYaml $own }}
{{- end }}

{{/* Rules of network policies. */}}
{{- define "ringup.dnsRule" -}}
{{- dict "to" .Values.networkPolicy.dns "ports" (list (dict "protocol" "UDP" "port" 53) (dict "protocol" "TCP" "port" 53)) | toYaml }}
{{- end }}

{{- define "ringup.redisRule" -}}
{{- $ports := list }}
{{- range include "ringup.redisPorts" . | fromJsonArray }}{{ $ports = append $ports (dict "protocol" "TCP" "port" (int .)) }}{{ end }}
{{- dict "to" .Values.networkPolicy.redis "ports" $ports | toYaml }}
{{- end }}

{{- define "ringup.providersRule" -}}
{{- dict "to" .Values.networkPolicy.providers "ports" (list (dict "protocol" "TCP" "port" .Values.networkPolicy.providerPort)) | toYaml }}
{{- end }}

{{/* A container that checks one program: root, name, program, config (its own variables), secret and variables. secretFiles are variables here. */}}
{{- define "ringup.doctor" -}}
- name: {{ .name }}
  {{- include "ringup.image" (dict "root" .root "program" "ringup") | nindent 2 }}
  args: [doctor, --program, {{ .program }}]
  envFrom:
    - secretRef: {name: {{ .root.Values.secrets.redis }}}
  env:
    {{- range $key, $value := merge .config (include "ringup.config" .root | fromYaml) }}
    - {name: {{ $key }}, value: {{ $value | quote }}}
    {{- end }}
    {{- include "ringup.secrets" (dict "secret" .secret "files" list "variables" .variables) | nindent 4 }}
  resources:
    requests: {cpu: 10m, memory: 32Mi, ephemeral-storage: 16Mi}
    limits: {cpu: 500m, memory: 128Mi, ephemeral-storage: 64Mi}
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL]}
{{- end }}
