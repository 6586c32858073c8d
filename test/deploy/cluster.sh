#!/bin/sh
# A machine of its own that is a Kubernetes cluster: called by cluster.ts under `unshare --net --mount --pid --fork`, as root.
#
#   cluster.sh FOLDER PROGRAMS
#
# etcd, API server, controllers, scheduler, kube-proxy, kubelet and containerd, with a network, mounts and processes of
# their own; state and logs are in FOLDER. It says "ready PID" and lasts until its standard input ends; with it end all
# processes, mounts and interfaces. There is no DNS: the machine's /etc/hosts, which pods do not have, stands for it.
set -eu
folder=$1
programs=$2
PATH=$programs/bin:/usr/sbin:/usr/bin:/sbin:/bin
export KUBECONFIG=$folder/kubeconfig

# /proc is still the one of the machine around: this is the number of this shell there.
read -r pid rest </proc/self/stat
cd "$folder"
mkdir run state root network sysctl pods etc etc-work

mount --make-rprivate /
mount --make-rshared /
mount -t proc proc /proc
# What is written to /etc stays here.
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$folder/etc,workdir=$folder/etc-work" /etc

ip link set lo up
# The node's address; the other end leads nowhere.
ip link add node type veth peer name nowhere
ip link set nowhere up
ip address add 10.99.0.1/24 dev node
ip link set node up
ip route add default via 10.99.0.254 dev node
echo 1 >/proc/sys/net/ipv4/ip_forward

# The kubelet wants settings of the whole machine, and finds here that they are as it likes them.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  path=${setting%=*}
  file=sysctl/$(echo "$path" | tr / -)
  echo "${setting#*=}" >"$file"
  mount --bind "$file" "/proc/sys/$path"
done

openssl genrsa -out accounts.key 2048 2>/dev/null
openssl rsa -in accounts.key -pubout -out accounts.pub 2>/dev/null
echo 'operator,operator,operator,"system:masters"' >tokens.csv
cat >kubeconfig <<END
apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: 'https://127.0.0.1:6443', insecure-skip-tls-verify: true}}]
users: [{name: operator, user: {token: operator}}]
contexts: [{name: here, context: {cluster: here, user: operator}}]
current-context: here
END
cat >network/10.conflist <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "pods", "isGateway": true,
  "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.42.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}],
  "dataDir": "$folder/addresses"}}, {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
cat >containerd.toml <<END
version = 2
root = "$folder/root"
state = "$folder/state"
[grpc]
  address = "$folder/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$programs/cni"
    conf_dir = "$folder/network"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"
END
cat >kubelet.yaml <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 10.99.0.1
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://$folder/run/containerd.sock
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
evictionHard: {memory.available: 10Mi, nodefs.available: 1%, imagefs.available: 1%}
failSwapOn: false
featureGates: {KubeletInUserNamespace: true}
imageGCHighThresholdPercent: 100
podLogsDir: $folder/pods
# How long a changed ConfigMap takes to be a changed file.
syncFrequency: 10s
END

begin() {
  log=$1.log
  shift
  "$@" >"$log" 2>&1 </dev/null &
}
answers() {
  for _ in $(seq 300); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.2
  done
  echo "no answer: $*"
  exit 1
}
begin containerd containerd -c containerd.toml
begin etcd etcd --data-dir etcd
begin apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 --advertise-address=10.99.0.1 --cert-dir=certs \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=accounts.pub \
  --service-account-signing-key-file=accounts.key --token-auth-file=tokens.csv --authorization-mode=RBAC \
  --service-cluster-ip-range=10.43.0.0/16 --kubelet-preferred-address-types=InternalIP
answers kubectl get --raw /readyz
begin controllers kube-controller-manager --kubeconfig=kubeconfig --service-account-private-key-file=accounts.key \
  --leader-elect=false --cert-dir=certs
begin scheduler kube-scheduler --kubeconfig=kubeconfig --leader-elect=false
begin proxy kube-proxy --kubeconfig=kubeconfig --hostname-override=node --proxy-mode=iptables --conntrack-max-per-core=0 \
  --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0
begin kubelet kubelet --kubeconfig=kubeconfig --config=kubelet.yaml --root-dir="$folder/kubelet" --cert-dir=certs \
  --hostname-override=node --node-ip=10.99.0.1
answers kubectl wait --for=condition=Ready node/node --timeout=1s
echo "ready $pid"
# Whatever loses its parent in here has to be waited for by somebody.
exec docker-init -- cat
