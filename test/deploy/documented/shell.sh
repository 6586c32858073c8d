# The reader's shell: commands come from the test, one a line; what is typed lies in files ($IO/N.sh).
exec 3>&1 1>/dev/null 2>"$IO/shell.log"
shopt -s expand_aliases
set -o pipefail -o errtrace
cd "$CLONE" || exit 1

# A command that fails is noted, and the next one is run: as at a prompt.
trap 'status=$?; [ "$BASHPID" = $$ ] && echo "$BASH_COMMAND: exit code $status" >>"$IO/failed"' ERR

# run N: types N.sh and waits for its end.
run() {
  : >"$IO/failed"
  . "$IO/$1.sh" <"$IO/$1.in" >"$IO/$1.out" 2>&1
  echo "done $1" >&3
}
# ask N: types N.sh at a terminal, and what it asks for: each line of N.in is a question, a tab, an answer.
ask() {
  : >"$IO/failed"
  script -qec "bash --norc -c '. $IO/$1.sh'" /dev/null < <(answer "$1") >"$IO/$1.out" 2>&1
  echo "done $1" >&3
}
answer() {
  local -A asked
  while IFS=$'\t' read -r question text; do
    asked[$question]=$((${asked[$question]:-0} + 1))
    for _ in $(seq 200); do
      [ "$(grep -oF -- "$question" "$IO/$1.out" | wc -l)" -ge "${asked[$question]}" ] && break
      sleep 0.1
    done
    eval "printf '%s\\r' \"$text\""
  done <"$IO/$1.in"
  sleep 0.2
}
# last N: starts what lasts, in a process group of its own, as at a terminal.
last() {
  set -m
  (trap - ERR; . "$IO/$1.sh") <"$IO/$1.in" >"$IO/$1.out" 2>&1 &
  set +m
  groups+=($!)
  echo "done $1" >&3
}
# interrupt: Ctrl-C for all that lasts.
groups=()
interrupt() {
  for group in "${groups[@]}"; do
    kill -INT -- "-$group" 2>/dev/null
    wait "$group"
  done
  groups=()
  echo "done interrupt" >&3
}

# What these two make is there already, and no network is: test/deploy/fresh-clone.test.ts and deploy/image/ run the real ones.
npm() {
  case "$*" in
    ci) ;;
    "run image")
      mkdir -p dist
      ln -sfn "$IMAGE/image" dist/image
      for archive in "$IMAGE"/*.tar; do ln -sf "$archive" dist/; done
      ;;
    *) command npm "$@" ;;
  esac
}
sudo() { "$@"; }

# For what a page takes for granted.
# The name that the README gives to the program.
berth() { "$CLONE/node_modules/.bin/node" "$CLONE/berth.js" "$@"; }
export -f berth
# answers URL: waits until something answers there.
answers() {
  for _ in $(seq 300); do
    curl -qsk -o /dev/null "$1" && return 0
    sleep 0.1
  done
  return 1
}
# serve [FILE]: Berth in the background, until unserve.
serve() {
  "$CLONE/node_modules/.bin/node" "$CLONE/berth.js" serve "$@" </dev/null >"$IO/berth.log" 2>&1 &
  served=$!
  answers "${BERTH_URL:-http://localhost:5000}/v2/"
}
unserve() {
  kill "$served" && wait "$served"
}
# push NAME:TAG ...: small images, put into the registry at port 5000.
push() { "$CLONE/node_modules/.bin/node" "$CLONE/test/deploy/documented/push.ts" "$@"; }
# tls_too [FILE]: the same data also at https://registry.example.com, with a certificate that this machine trusts.
tls_too() {
  names=DNS:registry.example.com,DNS:registry.example.org
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=registry.example.com -addext subjectAltName=$names \
    -keyout /srv/tls.key -out /srv/tls.crt 2>/dev/null
  cat /srv/tls.crt >>/etc/ssl/certs/ca-certificates.crt
  export NODE_EXTRA_CA_CERTS=/srv/tls.crt
  mkdir -p /etc/docker/certs.d/registry.example.com
  cp /srv/tls.crt /etc/docker/certs.d/registry.example.com/ca.crt
  REGISTRY_HTTP_ADDR=:443 REGISTRY_HTTP_TLS_CERTIFICATE=/srv/tls.crt REGISTRY_HTTP_TLS_KEY=/srv/tls.key \
    "$CLONE/node_modules/.bin/node" "$CLONE/berth.js" serve "$@" </dev/null >"$IO/berth-tls.log" 2>&1 &
  answers https://registry.example.com/v2/
}
# ssh HOST COMMAND: the other machine is a folder of this one.
ssh() {
  mkdir -p /home/other
  (cd /home/other && shift && bash -c "$*")
}
# distribution_image: registry:2, made of the Distribution that Debian has.
distribution_image() {
  mkdir -p /srv/image/etc/docker/registry
  cp /usr/bin/docker-registry --parents /srv/image
  ldd /usr/bin/docker-registry | grep -o '/[^ ]*' | xargs -r cp -L --parents -t /srv/image
  printf '%s\n' 'version: 0.1' 'storage: {filesystem: {rootdirectory: /var/lib/registry}}' 'http: {addr: ":5000"}' \
    >/srv/image/etc/docker/registry/config.yml
  tar -C /srv/image -cf - . | docker import -c 'ENTRYPOINT ["/usr/bin/docker-registry"]' \
    -c 'CMD ["serve", "/etc/docker/registry/config.yml"]' - registry:2
}
no_containers() { docker ps -aq | xargs -r docker rm -f; }
# push_elsewhere NAME:TAG ...: into a registry at port 5999, for clients to fetch from.
push_elsewhere() {
  (cd /srv && REGISTRY_HTTP_ADDR=:5999 BERTH_URL=http://localhost:5999 serve) && push --to http://localhost:5999 "$@"
}
# engine: Docker, as a package of a distribution starts it.
engine() {
  PATH=/usr/bin:/usr/sbin:/bin:/sbin dockerd "$@" </dev/null >"$IO/dockerd.log" 2>&1 &
  for _ in $(seq 300); do
    docker version >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  return 1
}

while IFS= read -r line; do eval "$line"; done
