/**
 * What the commands of the pages need to be run, and why some are not. A step that is not named here is run as it
 * stands, and must end with 0. Names that hold for no step any more fail the test.
 */

/** One step: a block of `sh`, or one `$ ` of a block of `console`. */
export type Note = {
  /** How the step begins, as far as it takes to tell it from the page's others before it. */
  begins: string
  /** It is not run, and why. */
  not?: string
  /** It goes on until Ctrl-C: typed in a terminal of its own, and waited for until this (or what the page shows) is there. */
  lasts?: RegExp
  /** Ctrl-C for what lasts, before this is typed. */
  ctrlC?: true
  /** Done before it is typed: what the page takes for granted. */
  before?: string
  /** Its standard input. */
  input?: string
  /** What it asks for at the terminal, and what is answered. */
  answers?: readonly (readonly [question: string, answer: string])[]
  /** Why the output in the page is not compared. */
  unlike?: string
  /** The output in the page stands among other output. */
  among?: true
  /** The exit code that it ends with, where that is not 0. */
  code?: number
  /** Done afterwards: whether it did what the page says. */
  after?: string
  /** Run only with BERTH_SLOW, and why. */
  slow?: string
}

export type Page = {
  /** Done before the first step. */
  before?: string
  /** Placeholders, and what a reader would type instead. */
  words?: Readonly<Record<string, string>>
  /** Programs whose commands are not run, and why. */
  without?: Readonly<Record<string, string>>
  /** It needs the image of `npm run image`. */
  image?: true
  /** In the order of the page. */
  notes: readonly Note[]
}

/** Images to play with, made here: as a layout, as a tar, and in the stores of podman and Docker. */
const IMAGES = `
push_elsewhere my-image:1
skopeo copy -q --src-tls-verify=false docker://localhost:5999/my-image:1 oci:my-layout:1
skopeo copy -q --src-tls-verify=false docker://localhost:5999/my-image:1 docker-archive:my-image.tar:my-image:1
podman load -q -i my-image.tar
engine
docker load -q -i my-image.tar
`
/** A configuration like the pages', on a folder, and a Berth that runs by it. */
const served = (folder = '/srv/registry', more = ''): string => `
printf '%s\\n' 'version: 0.1' 'storage: {filesystem: {rootdirectory: ${folder}}, delete: {enabled: true}}' 'http: {addr: ":5000"}' >config.yml
${more === '' ? '' : `echo '${more}' >>config.yml`}
serve config.yml
`
/** What a real CNCF Distribution wrote, which runs no more. */
const FOLDER_OF_DISTRIBUTION = `
mkdir -p /data/registry
printf '%s\\n' 'version: 0.1' 'storage: {filesystem: {rootdirectory: /data/registry}}' 'http: {addr: ":5998"}' >/tmp/distribution.yml
docker-registry serve /tmp/distribution.yml >/dev/null 2>&1 &
answers http://localhost:5998/v2/
push --to http://localhost:5998 team/app:1 team/web:1
kill $!
wait $! || true
`
const HISTORY = `
push team/app:1 team/app:latest
push --seed other team/app:latest
curl -X DELETE http://localhost:5000/v2/team/app/manifests/1
`
const LISTENING = /listening on/
/** The password of admin, from what Berth printed. */
const PRINTED = `$(sed -n 's/^ *password  *//p' $IO/*.out $IO/berth.log | tail -1)`
const NEW_PASSWORD = [
  ['Password:', 'a good password'],
  ['The same again:', 'a good password'],
] as const
const ALICE = ["Enter host password for user 'alice':", 'a good password'] as const
const ANSWERS = 'answers http://localhost:5000/v2/'
const COMPOSE =
  'needs images of proxies, or the second form beside the first; test/deploy/compose-engine.test.ts types it'
const NUMBERS = 'the page shows a registry in which more has happened'
/** An image by the name hello for the registry at port 5000. */
const HELLO = `
push_elsewhere hello:1
skopeo copy -q --src-tls-verify=false docker://localhost:5999/hello:1 docker-archive:hello.tar:localhost:5000/hello:1
engine
docker load -q -i hello.tar
`
const CLUSTER = 'needs a cluster; test/deploy/kubernetes*.test.ts try the manifests'
const NETWORK = 'fetches from the network, which there is none of here'

export const PAGES: Readonly<Record<string, Page>> = {
  'README.md': {
    image: true,
    before: IMAGES,
    words: { 'IMAGE.tar': 'my-image.tar', 'oci:FOLDER:TAG': 'oci:my-layout:1', IMAGE: 'my-image:1' },
    without: { kubectl: CLUSTER },
    notes: [
      { begins: 'npm ci && npm start', lasts: LISTENING },
      { begins: 'npm ci && npm run image', ctrlC: true },
      { begins: 'docker compose', before: 'no_containers' },
      { begins: 'npm pack', not: `${NETWORK}; test/package packs it and starts it by npx` },
      { begins: 'npm ci && npm test', not: 'runs these very tests' },
      { begins: 'docker tag', before: ANSWERS },
      {
        begins: 'npm start -- config.yml',
        before: `no_containers; ${served()} unserve`,
        lasts: LISTENING,
      },
      { begins: 'berth serve config.yml', ctrlC: true, lasts: LISTENING },
      { begins: 'REGISTRY_HTTP_ADDR', ctrlC: true, lasts: LISTENING },
      {
        begins: 'berth user add alice',
        ctrlC: true,
        before: served('/srv/registry', 'access: {anonymous: [pull]}'),
        answers: NEW_PASSWORD,
      },
      { begins: 'berth import', before: `unserve; ${FOLDER_OF_DISTRIBUTION}` },
      { begins: 'berth export', before: `${served('/data/registry')} sleep 2; unserve` },
      { begins: 'berth trash list', before: `rm config.yml; serve; ${HISTORY}` },
      { begins: 'berth rebuild', before: 'unserve; rm data/berth/metadata.db' },
    ],
  },
  'docs/getting-started.md': {
    image: true,
    before: 'engine',
    notes: [
      { begins: 'npm ci\nnpm start', lasts: LISTENING },
      { begins: 'REGISTRY_HTTP_ADDR=:5001', lasts: LISTENING },
      { begins: 'npm ci\nnpm run image', ctrlC: true },
      { begins: 'npx', not: `${NETWORK}; test/package starts it by npx` },
      { begins: 'curl http://localhost:5000/v2/', before: 'no_containers; serve' },
      { begins: 'REGISTRY_ACCESS_ENABLED', before: 'unserve', lasts: LISTENING },
      { begins: 'docker login', answers: [['Password:', PRINTED]] },
      { begins: 'REGISTRY_HTTP_ADDR=127', ctrlC: true, lasts: LISTENING },
    ],
  },
  'docs/moving-from-distribution.md': {
    image: true,
    before: `
engine
npm ci
npm run image
docker load -q -i dist/berth-image-amd64.tar
distribution_image
docker run -d -v /data/registry:/var/lib/registry -p 5000:5000 --restart=always --name registry registry:2
answers http://localhost:5000/v2/
push team/app:1 team/web:1
`,
    notes: [
      { begins: 'berth import', unlike: 'the page shows a folder in which more is wrong' },
      { begins: 'docker stop', lasts: /takeover complete/, unlike: 'the page shows a larger folder' },
      {
        begins: 'berth export',
        before: `
printf '%s\\n' 'version: 0.1' 'storage: {filesystem: {rootdirectory: /data/registry}, delete: {enabled: true}}' >config.yml
push team/new:1
`,
        ctrlC: true,
      },
      {
        begins: 'docker exec registry berth export',
        after: `${ANSWERS} && curl http://localhost:5000/v2/team/new/tags/list && docker inspect -f '{{.Config.Image}}' registry | grep registry:2`,
      },
    ],
  },
  'docs/operations.md': {
    notes: [{ begins: 'openssl', lasts: LISTENING }],
  },
  'docs/in-process.md': { notes: [{ begins: 'npm install', not: `${NETWORK}; test/package installs it` }] },
  'docs/access.md': {
    before: `
push_elsewhere my-image:1
skopeo copy -q --src-tls-verify=false docker://localhost:5999/my-image:1 docker-archive:my-image.tar:localhost:5000/team/app:1
engine
docker load -q -i my-image.tar
${served('/srv/registry', 'access: {anonymous: [pull]}')} unserve
`,
    without: { kubectl: CLUSTER },
    notes: [
      { begins: 'berth serve config.yml', lasts: LISTENING },
      { begins: 'berth user add alice', answers: NEW_PASSWORD },
      { begins: 'docker login', answers: [['Password:', 'a good password']] },
      { begins: 'berth access explain', code: 3 },
      { begins: 'berth user add alice', before: 'berth user remove alice', answers: NEW_PASSWORD },
      { begins: 'echo "$PASSWORD"', before: 'PASSWORD="another good one"' },
      { begins: 'berth user passwd', answers: NEW_PASSWORD },
      { begins: 'berth group add', before: 'berth group remove devs' },
      { begins: 'SECRET=', before: 'berth robot remove ci; tls_too config.yml' },
      {
        begins: 'berth token revoke 7',
        before:
          'for n in 1 2 3 4 5 6 7 8; do berth token add --user alice --may "**:pull" --expires 1d --name t$n; done',
      },
      { begins: 'docker search', before: `push --user "admin:${PRINTED}" nginx:1 team/nginx:1` },
      { begins: 'berth access explain', code: 3, unlike: 'in the page it is a rule of the file' },
      { begins: 'curl -u alice', before: 'berth user enable alice', answers: [ALICE], among: true },
      {
        begins: 'docker login registry.example.com -u oidc',
        not: 'needs a token of an issuer; test/access has one',
      },
      { begins: 'crane', not: 'needs a token of a pod; test/access has one' },
      {
        begins: 'ls /etc/docker',
        unlike: 'at a terminal the names stand side by side',
        before: 'touch /etc/docker/certs.d/registry.example.com/client.{cert,key}',
      },
      { begins: 'berth audit', not: 'your-shipper stands for a program of the reader' },
      { begins: 'api=', before: 'berth user admin alice', answers: [ALICE, ALICE, ALICE] },
    ],
  },
  'docs/api.md': {
    words: { PASSWORD: PRINTED },
    before: `
${served('/srv/registry', 'access: {}')}
export TOKEN=$(berth token add -c config.yml --user admin --may '**:pull' --expires 30d --name laptop)
tls_too config.yml
`,
    notes: [],
  },
  'docs/backup.md': {
    before: `
mkdir -p /etc/berth
cd /srv
${served()}
cp config.yml /etc/berth/config.yml
export REGISTRY_CONFIGURATION_PATH=/etc/berth/config.yml
push team/app:1
`,
    notes: [
      {
        begins: 'berth restore /mnt/backup/registry --to /srv/registry\n',
        before: 'unserve; rm -rf /srv/registry',
      },
      {
        begins: 'berth restore /mnt/backup/registry --to /srv/registry --at',
        not: 'wants a backup of that day',
      },
      { begins: 'berth restore registry.tar', before: 'rm -rf /srv/registry; cp /mnt/backup/registry.tar .' },
      { begins: 'ssh', before: 'rm -rf /srv/registry' },
      { begins: 'berth rebuild', before: 'rm /srv/registry/berth/metadata.db' },
    ],
  },
  'docs/check-and-repair.md': {
    before: `
${served()}
mkdir -p /etc/berth
cp config.yml /etc/berth/config.yml
export REGISTRY_CONFIGURATION_PATH=$PWD/config.yml
push team/app:1
tls_too config.yml
berth backup /mnt/backup/registry
`,
    notes: [],
  },
  'docs/conformance.md': {
    notes: [
      { begins: 'npm run test:conformance', not: 'CI runs it beside this' },
      { begins: 'BERTH_CONFORMANCE_URL', before: 'serve', slow: 'takes a minute' },
      {
        begins: 'REGISTRY_VALIDATION',
        before: 'if [ -n "${served:-}" ]; then unserve; fi',
        lasts: LISTENING,
      },
    ],
  },
  'docs/garbage-collection.md': {
    before: `${served()} cp config.yml /etc/berth.yml; export REGISTRY_CONFIGURATION_PATH=/etc/berth.yml; push team/app:1`,
    notes: [
      { begins: 'berth gc --config', unlike: NUMBERS },
      { begins: 'berth gc --dry-run', unlike: NUMBERS },
    ],
  },
  'docs/performance.md': {
    notes: [
      { begins: 'apt-get', not: NETWORK },
      { begins: 'go install', not: NETWORK },
      { begins: 'npm run bench', not: 'takes hours; bench/ has a test of its own' },
    ],
  },
  'docs/undo.md': {
    words: { 'restore 13': 'restore 1', '7cbd9229a264': '$FIRST' },
    before: `
${served()}
export REGISTRY_CONFIGURATION_PATH=$PWD/config.yml
${HISTORY}
FIRST=$(berth tag history team/app:latest | sed -n '$s/^\\S* \\S* *\\S* *\\([0-9a-f]*\\).*/\\1/p')
`,
    notes: [
      { begins: 'berth trash list', unlike: NUMBERS },
      { begins: 'berth trash restore', unlike: NUMBERS },
      { begins: 'berth tag restore' },
      { begins: 'berth tag history team/app:latest\nberth' },
      { begins: 'berth tag history', unlike: NUMBERS },
      {
        begins: 'berth trash empty',
        before: 'curl -X DELETE http://localhost:5000/v2/team/app/manifests/latest',
        unlike: NUMBERS,
        answers: [['[y/N]', 'y']],
      },
    ],
  },
  'docs/kubernetes.md': {
    image: true,
    before: `npm run image; cd /srv; ${served()} cd $CLONE; tls_too /srv/config.yml; ${HELLO}`,
    without: { kubectl: CLUSTER, kind: CLUSTER, minikube: CLUSTER, k3s: CLUSTER, ctr: CLUSTER },
    notes: [{ begins: 'berth backup verify', before: 'berth backup registry.tar -c /srv/config.yml' }],
  },
  'docs/image.md': {
    image: true,
    before: 'engine',
    notes: [
      { begins: 'berth push', before: `cd /srv; ${served()} cd $CLONE; tls_too /srv/config.yml` },
      { begins: 'docker run', before: 'unserve', after: ANSWERS },
    ],
  },
  'docs/docker.md': {
    image: true,
    before: 'engine',
    notes: [
      { begins: 'docker tag berth localhost', before: ANSWERS },
      { begins: 'docker ps', before: 'docker exec registry registry healthcheck', among: true },
      { begins: 'docker exec registry berth config', before: ANSWERS },
      {
        begins: 'docker rm -f registry\ndocker run -d -v /data/certs',
        before:
          'mkdir /data/certs; openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=myregistry.test -keyout /data/certs/domain.key -out /data/certs/domain.crt 2>/dev/null',
      },
      {
        begins: 'docker rm -f registry\ndocker run -d -v /data/auth',
        before: 'answers https://localhost/v2/',
      },
      { begins: 'docker rm -f registry\nsudo chown', before: ANSWERS },
      { begins: 'docker exec registry registry garbage', before: ANSWERS },
      {
        begins: 'docker run --rm -v /data/registry:/var/lib/registry:ro',
        before: `no_containers; rm -rf /data/registry; ${FOLDER_OF_DISTRIBUTION}`,
      },
    ],
  },
  'docs/compose.md': {
    image: true,
    before: 'engine',
    notes: [
      { begins: 'docker tag', before: ANSWERS },
      { begins: 'sudo chown', not: COMPOSE },
      { begins: 'docker compose up -d\ndocker compose logs', not: COMPOSE },
      { begins: 'docker compose exec berth berth user', not: COMPOSE },
      { begins: 'htpasswd', not: COMPOSE },
      { begins: 'docker compose up -d', not: COMPOSE },
      { begins: 'docker compose cp', not: COMPOSE },
      { begins: 'docker compose run', before: 'docker compose down -v' },
    ],
  },
  'docs/push.md': {
    image: true,
    before: 'npm run image; serve; echo of-the-robot >password',
    words: { 'registry.example.com/': 'localhost:5000/' },
    notes: [],
  },
  'docs/client-config.md': {
    before:
      'serve; openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -subj /CN=ca -out ca.crt 2>/dev/null',
    notes: [],
  },
}
