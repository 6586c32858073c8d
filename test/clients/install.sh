#!/bin/sh
# Installs what the tests drive, on Debian, as root: the clients of test/clients, and tools of test/durability and bench.
# Quick when they are there.
#
#   test/clients/install.sh          what CI runs: Debian's own packages, schemas of Kubernetes, and crane, regctl and
#                                    kustomize where Go is
#   test/clients/install.sh all      also a newer Docker, buildx, containerd, oras and cosign from a newer Debian suite,
#                                    unpacked beside the system's, and helm, Distribution 3 and Kubernetes where Go is
#                                    (minutes)
#
# BERTH_CLIENTS_DIR  where `all` and Go put their programs (default: ~/.cache/berth-clients); the tests look there first
# BERTH_DEBIAN       the newer suite (default: sid; trixie does not drift)
set -eu

DIR=${BERTH_CLIENTS_DIR:-$HOME/.cache/berth-clients}
SUITE=${BERTH_DEBIAN:-sid}
CRANE=github.com/google/go-containerregistry/cmd/crane@v0.22.1
REGCTL=github.com/regclient/regclient/cmd/regctl@v0.11.7
KUSTOMIZE=sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
# Schemas of Kubernetes' API, of several versions, and what compares with them.
KUBERNETES_VALIDATE=kubernetes-validate==1.37.0
HELM=helm.sh/helm/v4/cmd/helm@v4.3.1
KUBERNETES=1.34.1
DISTRIBUTION=github.com/distribution/distribution/v3/cmd/registry@v3.1.1

have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }
say() { echo "install.sh: $*" >&2; }

install_packages() {
  missing=
  for pair in skopeo:skopeo podman:podman buildah:buildah umoci:umoci busybox:busybox-static runc:runc \
    dockerd:docker.io mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs losetup:mount python3:python3 pip3:python3-pip openssl:openssl \
    wrk:wrk strace:strace catatonit:catatonit cc:gcc docker-registry:docker-registry slapd:slapd nginx:nginx \
    caddy:caddy haproxy:haproxy qemu-aarch64-static:qemu-user-static htpasswd:apache2-utils ip:iproute2 iptables:iptables curl:curl; do
    have "${pair%%:*}" || missing="$missing ${pair#*:}"
  done
  [ -z "$missing" ] && return 0
  [ "$(id -u)" = 0 ] || { say "not root, so not installed:$missing"; return 1; }
  have apt-get || { say "no apt here, so not installed:$missing"; return 1; }
  # No daemon is to be started by its installation: the tests start their own.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  say "installing$missing"
  apt-get -qq update
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing >/dev/null
}

go_install() {
  [ -x "$DIR/bin/$1" ] || have "$1" && return 0
  have go || { say "no Go here, so no $1"; return 0; }
  say "building $1"
  mkdir -p "$DIR/bin"
  GOBIN=$DIR/bin GOFLAGS=-buildvcs=false CGO_ENABLED=0 go install "$2" 2>/dev/null || say "$1 did not build"
}

# Its program is called registry, as Berth is: it gets another name.
build_distribution() {
  [ -x "$DIR/bin/distribution" ] && return 0
  have go || { say "no Go here, so no Distribution 3"; return 0; }
  say "building Distribution 3"
  mkdir -p "$DIR/bin/building"
  GOBIN=$DIR/bin/building GOFLAGS=-buildvcs=false CGO_ENABLED=0 go install "$DISTRIBUTION" 2>/dev/null &&
    mv "$DIR/bin/building/registry" "$DIR/bin/distribution" || say "Distribution 3 did not build"
  rm -rf "$DIR/bin/building"
}

# A whole Kubernetes, and the etcd that it wants. Its own go.mod takes its libraries from folders of its repository; here they
# are the modules of the same release.
build_kubernetes() {
  [ -x "$DIR/kubernetes/bin/kubectl" ] && return 0
  have go || { say "no Go here, so no Kubernetes"; return 0; }
  say "building Kubernetes (minutes)"
  work=$DIR/kubernetes/building
  mkdir -p "$work" "$DIR/kubernetes/bin" "$DIR/kubernetes/cni"
  (
    cd "$work"
    go mod download "k8s.io/kubernetes@v$KUBERNETES"
    sources=$(go env GOMODCACHE)/k8s.io/kubernetes@v$KUBERNETES
    programs="kubelet kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubectl"
    {
      echo "module building"
      grep '^go ' "$sources/go.mod"
      echo "require k8s.io/kubernetes v$KUBERNETES"
      sed -n 's|^[[:space:]]*\(go.etcd.io/etcd/server/v3 v[0-9.]*\).*|require \1|p' "$sources/go.mod"
      sed -n "s|^[[:space:]]*\\(k8s.io/[a-z-]*\\) => ./staging/.*|replace \\1 => \\1 v0.${KUBERNETES#1.}|p" "$sources/go.mod"
    } >go.mod
    { echo "package building"; for name in $programs; do echo "import _ \"k8s.io/kubernetes/cmd/$name\""; done
      echo 'import _ "go.etcd.io/etcd/server/v3"'; } >programs.go
    cp "$sources/go.sum" .
    chmod u+w go.sum
    go mod tidy
    export CGO_ENABLED=0 GOFLAGS=-buildvcs=false
    go build -ldflags '-s -w' -o ../bin/etcd go.etcd.io/etcd/server/v3 || exit 1
    # The last of them tells that all are there.
    for name in $programs; do go build -ldflags '-s -w' -o "../bin/$name" "k8s.io/kubernetes/cmd/$name" || exit 1; done
    apt-get -qq download containernetworking-plugins
    dpkg -x containernetworking-plugins_*.deb .
    cp usr/lib/cni/* ../cni/
  ) >/dev/null 2>&1 || say "Kubernetes did not build"
  rm -rf "$work"
}

pip_install() {
  [ -d "$DIR/python/$1" ] && return 0
  say "installing $2"
  # Into a folder of its own: nothing of the system's Python changes.
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install -q --disable-pip-version-check --target "$DIR/python" "$2"
}

# unpack SUITE FOLDER PACKAGE...: packages of another suite into a folder, past the system's lists of packages
unpack() {
  suite=$1
  work=$2
  shift 2
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -1)
  [ -n "$mirror" ] || { say "apt knows no mirror: run apt-get update"; return 1; }
  mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/debs"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$work/apt/sources.list"
  apt() {
    apt-get -qq -o Dir::Etc::SourceList="$work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
      -o Dir::State::lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User=root "$@"
  }
  say "unpacking from $suite: $*"
  apt update
  cd "$work/debs"
  for package in "$@"; do apt download "$package" || say "$package is not in $suite"; done
  for deb in *.deb; do dpkg -x "$deb" "$work"; done
  cd "$DIR"
  rm -rf "$work/apt" "$work/debs"
}

unpack_newer() {
  [ -x "$DIR/newer/usr/sbin/dockerd" ] && return 0
  # runc is not taken along: the newer one wants a newer C library, the system's serves.
  unpack "$SUITE" "$DIR/newer" docker.io docker-cli docker-buildx containerd oras cosign
}

# The distribution's own is version 1, whose files have another form. This one needs the C library only, an old one.
unpack_compose() {
  [ -x "$DIR/bin/docker-compose" ] && return 0
  have apt-get || { say "no apt here, so no docker compose"; return 0; }
  unpack trixie "$DIR/compose" docker-compose
  mkdir -p "$DIR/bin"
  mv "$DIR/compose/usr/libexec/docker/cli-plugins/docker-compose" "$DIR/bin/"
  rm -rf "$DIR/compose"
}

install_packages
unpack_compose
go_install crane $CRANE
go_install regctl $REGCTL
go_install kustomize $KUSTOMIZE
pip_install kubernetes_validate $KUBERNETES_VALIDATE
if [ "${1:-}" = all ]; then
  unpack_newer
  go_install helm $HELM
  build_distribution
  build_kubernetes
fi
