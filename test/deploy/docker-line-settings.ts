/** What `registry:2` is told by variables, files and options of the engine, told to Berth's image in the same words. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { DockerHost } from './docker-host.ts'
import { LARGER, pushAndPull, untilAnswers } from './docker-line.ts'

/** Starts it with these options, and removes it when `use` is over. What it logged is told where that fails. */
export async function withRegistry(
  host: DockerHost,
  options: string,
  use: () => Promise<void>,
  words = '',
): Promise<void> {
  await host.type(`docker run -d ${options} --name registry registry ${words}`.trimEnd())
  try {
    await use()
  } catch (error) {
    const { stdout, stderr } = await host.type('docker logs registry', { aside: true, mayFail: true })
    throw new Error(`${(error as Error).message}\nwith: ${options}\nits log:\n${stdout}${stderr}`, {
      cause: error,
    })
  } finally {
    await host.type('docker rm -f -v registry', { mayFail: true })
  }
}

/** The status of an answer. */
const status = (host: DockerHost, request: string): Promise<string> =>
  host.ask(`curl -sk -o /dev/null -w '%{http_code}' ${request}`)

const DELETE_UNKNOWN = `-X DELETE http://localhost:5000/v2/team/hello/manifests/sha256:${'0'.repeat(64)}`

/** Names of Distribution's pages on deploying and configuring a registry. */
export async function tryVariables(context: TestContext, host: DockerHost): Promise<void> {
  await context.test('another port', () =>
    withRegistry(host, '-e REGISTRY_HTTP_ADDR=0.0.0.0:5001 -p 5001:5001 --restart=always', async () => {
      await untilAnswers(host, 'http://localhost:5001')
      await pushAndPull(host, 'localhost:5001/team/port:1')
    }),
  )
  await context.test('another port outside only', { skip: LARGER }, () =>
    withRegistry(host, '-p 127.0.0.1:5002:5000', async () => {
      await untilAnswers(host, 'http://127.0.0.1:5002')
      await pushAndPull(host, '127.0.0.1:5002/team/port:1')
    }),
  )
  await context.test('deletes on, as the file of the image has it, and off', async () => {
    for (const [variable, expected] of [
      ['', '404'],
      ['-e REGISTRY_STORAGE_DELETE_ENABLED=true', '404'],
      ['-e REGISTRY_STORAGE_DELETE_ENABLED=false', '405'],
    ] as const)
      await withRegistry(host, `${variable} -p 5000:5000`, async () => {
        await untilAnswers(host)
        assert.equal(await status(host, DELETE_UNKNOWN), expected, variable)
      })
  })
  await context.test('levels and forms of the log', { skip: LARGER }, () =>
    withRegistry(host, '-e REGISTRY_LOG_LEVEL=warn -e REGISTRY_LOG_FORMATTER=json -p 5000:5000', async () => {
      await untilAnswers(host)
      const { stderr } = await host.type('docker logs registry')
      assert.doesNotMatch(stderr, /"level":"info"/)
      for (const line of stderr.trim().split('\n').filter(Boolean)) JSON.parse(line)
    }),
  )
}

/** A file that is told apart by a header, which only it sets. */
export async function tryMountedFiles(context: TestContext, host: DockerHost): Promise<void> {
  writeFileSync(
    join(host.data, 'config.yml'),
    [
      'version: 0.1',
      'storage: { filesystem: { rootdirectory: /var/lib/registry }, delete: { enabled: false } }',
      'http: { addr: ":5000", headers: { X-Mounted: ["yes"] } }',
      '',
    ].join('\n'),
  )
  for (const path of ['/etc/distribution/config.yml', '/etc/docker/registry/config.yml'])
    await context.test(`a file mounted at ${path}`, () =>
      withRegistry(host, `-v /data/config.yml:${path} -p 5000:5000`, async () => {
        await untilAnswers(host)
        assert.match(await host.ask('curl -si http://localhost:5000/v2/'), /^x-mounted: yes/im)
        assert.equal(await status(host, DELETE_UNKNOWN), '405')
        // What is run inside means the same registry.
        await host.type('docker exec registry registry garbage-collect /etc/docker/registry/config.yml')
      }),
    )
  await context.test('a file of one’s own, by its name', async () => {
    const forms = ['/mine.yml', ...(LARGER === false ? ['serve /mine.yml', 'registry serve /mine.yml'] : [])]
    const use = async (): Promise<void> => {
      await untilAnswers(host)
      assert.match(await host.ask('curl -si http://localhost:5000/v2/'), /^x-mounted: yes/im)
      await host.type('docker exec registry berth gc --dry-run')
    }
    for (const words of forms)
      await withRegistry(host, '-v /data/config.yml:/mine.yml -p 5000:5000', use, words)
  })
}

/** testuser, testpassword; as `htpasswd -Bbn` writes it. */
const HTPASSWD = 'testuser:$2y$05$ocAVYw42CiPWUEglhjUJyeh8Ynu8G5IUQmW9W/FRuwoUxbGAyX1ny\n'

/** As Distribution's page on deploying has them: certificates and names in folders that are mounted. */
export async function tryUsersAndTls(context: TestContext, host: DockerHost): Promise<void> {
  const { type } = host
  await type('mkdir auth certs')
  writeFileSync(join(host.data, 'auth', 'htpasswd'), HTPASSWD)
  await type(
    'openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -keyout certs/domain.key ' +
      '-addext "subjectAltName = DNS:myregistry.test" -subj /CN=myregistry.test -x509 -days 365 -out certs/domain.crt',
  )
  await type('echo "172.17.0.1 myregistry.test" >>/etc/hosts')
  const certificate =
    '-v "$(pwd)"/certs:/certs -e REGISTRY_HTTP_TLS_CERTIFICATE=/certs/domain.crt -e REGISTRY_HTTP_TLS_KEY=/certs/domain.key'
  const users =
    '-v "$(pwd)"/auth:/auth -e "REGISTRY_AUTH=htpasswd" -e "REGISTRY_AUTH_HTPASSWD_REALM=Registry Realm" ' +
    '-e REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd'

  await context.test('TLS on 443, by a name, with a certificate the engine is told of', () =>
    withRegistry(
      host,
      `${certificate} -e REGISTRY_HTTP_ADDR=0.0.0.0:443 -p 443:443 --restart=always`,
      async () => {
        await untilAnswers(host, 'https://myregistry.test')
        const refused = await type(
          'docker tag hello myregistry.test/tls:1 && docker push myregistry.test/tls:1',
          {
            mayFail: true,
          },
        )
        assert.match(refused.stderr, /certificate signed by unknown authority|failed to verify certificate/)
        const folder = '/etc/docker/certs.d/myregistry.test'
        await type(`mkdir -p ${folder} && cp certs/domain.crt ${folder}/ca.crt`)
        await pushAndPull(host, 'myregistry.test/tls:1')
      },
    ),
  )
  await context.test('names and passwords, over TLS', () =>
    withRegistry(host, `-p 5000:5000 --restart=always ${users} ${certificate}`, async () => {
      await untilUnauthorized(host, 'https://myregistry.test:5000/v2/')
      const folder = '/etc/docker/certs.d/myregistry.test:5000'
      await type(`mkdir -p ${folder} && cp certs/domain.crt ${folder}/ca.crt`)
      const denied = await type(
        'docker tag hello myregistry.test:5000/a:1 && docker push myregistry.test:5000/a:1',
        {
          mayFail: true,
        },
      )
      assert.match(denied.stderr, /no basic auth credentials|unauthorized|authentication required/)
      await type('echo testpassword | docker login -u testuser --password-stdin myregistry.test:5000')
      await pushAndPull(host, 'myregistry.test:5000/a:1')
      await type('docker logout myregistry.test:5000')
      await type(`rm -r ${folder}`)
    }),
  )
}

const untilUnauthorized = (host: DockerHost, url: string): Promise<string> =>
  host.until(`curl -sk -o /dev/null -w '%{http_code}' ${url}`, /^401$/)

export async function tryInsecureName(host: DockerHost): Promise<void> {
  await withRegistry(host, '-p 5000:5000', async () => {
    await untilAnswers(host)
    const image = 'myregistry.test:5000/team/named:1'
    const refused = await host.type(`docker tag hello ${image} && docker push ${image}`, { mayFail: true })
    assert.match(refused.stderr, /server gave HTTP response to HTTPS client/)
    await host.type(
      `sed -i 's/^{/{"insecure-registries": ["myregistry.test:5000"], /' /etc/docker/daemon.json`,
    )
    await host.restartEngine()
    await host.type('docker start registry')
    await untilAnswers(host)
    await pushAndPull(host, image)
  })
}
