{{- define "servicio-ml.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 38 | trimSuffix "-" }}
{{- end }}

{{- define "servicio-ml.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 38 | trimSuffix "-" }}
{{- else if contains (include "servicio-ml.name" .) .Release.Name -}}
{{- .Release.Name | trunc 38 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "servicio-ml.name" .) | trunc 38 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What a Service and a Deployment select by; never changes in the life of a release. */}}
{{- define "servicio-ml.selector" -}}
app.kubernetes.io/name: {{ include "servicio-ml.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "servicio-ml.labels" -}}
{{ include "servicio-ml.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "servicio-ml.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "servicio-ml.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "servicio-ml.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest }}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "servicio-ml.apiKind" -}}
{{- eq .Values.api.journal.volume "claim" | ternary "StatefulSet" "Deployment" }}
{{- end }}

{{/* The longest end of a pod: preStop, then requests over HTTP, then those over gRPC, each drainSeconds at most, then
the journal maintainer's last shipment to PostgreSQL (8 s) and what is left to close. */}}
{{- define "servicio-ml.graceSeconds" -}}
{{- add .Values.api.preStopSeconds (mul 2 .Values.api.drainSeconds) 15 }}
{{- end }}

{{/* What the schema cannot say, each with what to do. */}}
{{- define "servicio-ml.check" -}}
{{- if eq .Values.image.tag "latest" }}
{{- fail "image.tag: `latest` names another image each day; name a version, or set image.digest" }}
{{- end }}
{{- if and .Values.streamWorker.enabled (not .Values.secrets.env.SERVICIO_ML_REDIS_URL) }}
{{- fail "streamWorker.enabled needs secrets.env.SERVICIO_ML_REDIS_URL: the name of an existing Secret and its key with the address redis://…" }}
{{- end }}
{{- if .Values.secrets.files.SERVICIO_ML_HOOK_TOKEN_FILE }}
{{- if not (and .Values.settings.SERVICIO_ML_AIRFLOW_URL .Values.secrets.files.SERVICIO_ML_AIRFLOW_PASSWORD_FILE) }}
{{- fail "secrets.files.SERVICIO_ML_HOOK_TOKEN_FILE lets alerts start retrainings, which this image cannot run: set settings.SERVICIO_ML_AIRFLOW_URL and secrets.files.SERVICIO_ML_AIRFLOW_PASSWORD_FILE" }}
{{- end }}
{{- end }}
{{- range $part := list "api" "streamWorker" }}
{{- with index $.Values $part "autoscaling" }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
{{- fail (printf "%s.autoscaling: minReplicas %d is more than maxReplicas %d" $part (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.api.ingress.enabled (not .Values.api.ingress.hosts) }}
{{- fail "api.ingress.enabled needs api.ingress.hosts: the names it answers to" }}
{{- end }}
{{- end }}

{{- define "servicio-ml.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "servicio-ml.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Of every pod: who it is, where it may run. */}}
{{- define "servicio-ml.podHead" -}}
serviceAccountName: {{ include "servicio-ml.serviceAccount" .root }}
automountServiceAccountToken: false
# for a Service called servicio-ml, Kubernetes would set a variable SERVICIO_ML_PORT, which is a setting of the server
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "servicio-ml.podSecurity" . | nindent 2 }}
{{- with .part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "servicio-ml.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}

{{/* Of every container: the settings, and what existing Secrets hold. */}}
{{- define "servicio-ml.env" -}}
envFrom:
  - configMapRef:
      name: {{ include "servicio-ml.fullname" . }}
env:
  {{- range $name, $from := .Values.secrets.env }}
  - name: {{ $name }}
    valueFrom:
      secretKeyRef:
        name: {{ $from.name }}
        key: {{ $from.key }}
  {{- end }}
{{- end }}

{{/* Everything that is written, below a root that cannot be. */}}
{{- define "servicio-ml.writableMounts" -}}
- name: state
  mountPath: /var/lib/servicio-ml
- name: tmp
  mountPath: /tmp
- name: shared-memory
  mountPath: /dev/shm
{{- end }}

{{- define "servicio-ml.writableVolumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 1Gi
# shared memory for the bin counts of a pod's processes
- name: shared-memory
  emptyDir:
    medium: Memory
    sizeLimit: 128Mi
{{- end }}

{{- define "servicio-ml.hpaMetrics" -}}
- type: Resource
  resource:
    name: cpu
    target:
      type: Utilization
      averageUtilization: {{ .cpuUtilization }}
{{- with .metrics }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "servicio-ml.egress" -}}
- to:
    {{- toYaml .Values.networkPolicy.egress.dns | nindent 4 }}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- range $name, $service := .Values.networkPolicy.egress.services }}
# {{ $name }}
- ports:
    {{- range $service.ports }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with $service.peers }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
