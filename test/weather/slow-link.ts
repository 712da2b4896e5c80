import { randomFillSync } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { peakMemory } from '../../fixtures/peak-memory.js'
import { startProxy } from '../../fixtures/references/proxy.js'
import { cliIn, startCli } from '../../fixtures/run-cli.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { useHome } from '../../fixtures/use-home.js'
import { startWeather } from '../../fixtures/weather/start-weather.js'

const MIB = 2 ** 20
/** What there is to send is far more than any process may take. */
const SMALL = { files: 6000, bytes: 32_000 }
const LARGE = { files: 4, bytes: 64 * MIB }
const CEILING_MIB = 250
const WATCHED_MS = 6000

const { folder, home } = useHome(t)

function writeFiles(name: string, { files, bytes }: typeof SMALL): void {
  mkdirSync(join(folder, name))
  const content = Buffer.alloc(bytes)
  for (let n = 0; n < files; n += 1) {
    writeFileSync(join(folder, name, `${n}.bin`), randomFillSync(content))
  }
}

for (const [name, shape] of Object.entries({ small: SMALL, large: LARGE })) {
  const skip = process.platform !== 'linux' && 'memory is read from /proc'
  t.test(
    `a slow link slows a push of ${name} files instead of filling memory`,
    { skip },
    async t => {
      writeFiles(name, shape)
      const server = await serveProcess(t, join(folder, `data ${name}`))
      const counted = await startProxy(t, server.url)
      const weather = await startWeather(counted.url)
      t.teardown(() => weather.close())
      weather.next = () => ({ kind: 'throttle', bytes: 65_536, ms: 10 })
      const env = { ARTIFACT_REMOTE: weather.url, ARTIFACT_HOME: home }
      await cliIn(folder, home, env)(['put', name, '-n', `p/${name}`])
      const { child, ended } = startCli(['sync'], { env })
      await sleep(WATCHED_MS)
      const [client, served] = [peakMemory(child.pid!), peakMemory(server.pid)]
      child.kill('SIGKILL')
      await ended
      const { uploaded: passed } = counted
      const total = shape.files * shape.bytes
      t.comment(`${client} and ${served} MiB, ${Math.round(passed / MIB)} MiB on their way`)
      t.ok(passed > MIB && passed < total / 2, `${passed} of ${total} bytes went out`)
      t.ok(client < CEILING_MIB && served < CEILING_MIB, `below ${CEILING_MIB} MiB`)
    },
  )
}
