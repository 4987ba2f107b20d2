{{/* `<release>-serinus`, or `<release>`; at most 54 characters, so that "-operator" fits behind it. */}}
{{- define "serinus.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 54 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 54 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 54 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "serinus.operatorName" -}}
{{- include "serinus.fullname" . }}-operator
{{- end -}}

{{- define "serinus.serviceAccountName" -}}
{{- default (ternary (include "serinus.operatorName" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{/*
Name of what grants the operator its rights, in the cluster or in a watched namespace. It is the same for every release:
two releases that look after the same models would work against each other, and Helm refuses the second one here.
*/}}
{{- define "serinus.grantName" -}}serinus-operator{{- end -}}

{{/* What never changes between two versions of the chart: selectors are made of it. */}}
{{- define "serinus.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "serinus.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "serinus.selectorLabels" . }}
app.kubernetes.io/part-of: serinus
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* The selector labels as the operator is told them: `key=value,…`. */}}
{{- define "serinus.selectorWords" -}}
{{- $words := list -}}
{{- range $key, $value := include "serinus.selectorLabels" . | fromYaml -}}
{{- $words = append $words (printf "%s=%s" $key $value) -}}
{{- end -}}
{{- join "," $words -}}
{{- end -}}

{{/* `repository@digest`, else `repository:tag`. Takes {image, version}. */}}
{{- define "serinus.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (default .version .image.tag) -}}
{{- end -}}
{{- end -}}

{{/*
The rights of the operator, one rule per resource, exactly the verbs that it uses (tests/e2e compares them with the API
server's audit log). It reads no Secret, and of ConfigMaps it can neither list nor change any.

  get     only where a name is taken by an object that it does not watch, to tell whose that is
  patch   server-side apply: repair, and adoption of children that lost their owner
  update  where an addition of somebody else's has to go, which server-side apply leaves in place

`modeldeployments/finalizers` is not among them: owner references that do not block the owner's deletion need it nowhere.
*/}}
{{- define "serinus.rules" -}}
- apiGroups: [serving.serinus.dev]
  resources: [modeldeployments]
  verbs: [list, watch]
- apiGroups: [serving.serinus.dev]
  resources: [modeldeployments/status]
  verbs: [patch]
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [patch]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, create, patch, delete]
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [list, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, create, patch, update, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways]
  verbs: [get]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gatewayclasses]
  verbs: [get]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{- define "serinus.gatewayName" -}}
{{- include "serinus.fullname" . }}-gateway
{{- end -}}

{{- define "serinus.gatewayServiceAccountName" -}}
{{- default (ternary (include "serinus.gatewayName" .) "default" .Values.gateway.serviceAccount.create) .Values.gateway.serviceAccount.name -}}
{{- end -}}

{{/* As for the operator: one name for every release, so that Helm refuses a second one for the same models. */}}
{{- define "serinus.gatewayGrantName" -}}serinus-gateway{{- end -}}

{{- define "serinus.gatewaySelectorWords" -}}
{{- $words := list -}}
{{- range $key, $value := include "serinus.gatewaySelectorLabels" . | fromYaml -}}
{{- $words = append $words (printf "%s=%s" $key $value) -}}
{{- end -}}
{{- join "," $words -}}
{{- end -}}

{{- define "serinus.gatewaySelectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "serinus.gatewayLabels" -}}
{{- mergeOverwrite (include "serinus.labels" . | fromYaml) (include "serinus.gatewaySelectorLabels" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* What both containers of a gateway are told. */}}
{{- define "serinus.gatewayEnvironment" -}}
- name: SERINUS_ENVOY_FOLDER
  value: /run/serinus/envoy
- name: SERINUS_POD_IPS
  valueFrom:
    fieldRef:
      fieldPath: status.podIPs
- name: SERINUS_WATCH_NAMESPACES
  value: {{ join "," .Values.watchNamespaces | quote }}
- name: SERINUS_MAX_PENDING
  value: {{ .Values.gateway.maxPendingRequests | quote }}
- name: SERINUS_CONNECTION_SECONDS
  value: {{ .Values.gateway.connectionSeconds | quote }}
- name: SERINUS_DRAIN_SECONDS
  value: {{ .Values.gateway.drainSeconds | quote }}
- name: SERINUS_LOG_FORMAT
  value: {{ .Values.gateway.log.format }}
- name: SERINUS_LOG_LEVEL
  value: {{ .Values.gateway.log.level }}
{{- end -}}

{{/*
The rights of the gateway, exactly the verbs that it uses. What it may do with the scale is narrowed further by the
ValidatingAdmissionPolicy of templates/gateway-policy.yaml.
*/}}
{{- define "serinus.gatewayRules" -}}
- apiGroups: [serving.serinus.dev]
  resources: [modeldeployments]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [get, patch]
{{- end -}}
