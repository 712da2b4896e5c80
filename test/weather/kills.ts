import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startCli } from '../../fixtures/run-cli.js'
import { seededRandom } from '../../fixtures/seeded-random.js'
import { serveProcess } from '../../fixtures/serve-process.js'
import { useHome } from '../../fixtures/use-home.js'
import { checkSynced } from '../../fixtures/weather/check-synced.js'
import { forecast } from '../../fixtures/weather/fault.js'
import { startWeather } from '../../fixtures/weather/start-weather.js'
import { type Machine, Workload } from '../../fixtures/weather/workload.js'
import { openStore } from '../../src/store/store.js'

const FIRST_SEED = 1001
const SCENARIOS = 10

const { folder } = useHome(t)

t.test('machines and servers that are killed in bad weather lose nothing', async t => {
  const data = join(folder, 'server')
  let server = await serveProcess(t, data)
  const weather = await startWeather(server.url)
  t.teardown(() => weather.close())
  const machines = ['ada', 'bob'].map((name): Machine => {
    const scratch = join(folder, `${name}-files`)
    mkdirSync(scratch)
    return { name, scratch, store: openStore(join(folder, name)) }
  })
  t.teardown(() => Promise.all(machines.map(({ store }) => store.close())))
  const sync = ({ store }: Machine) =>
    startCli(['sync', '--json'], {
      env: { ARTIFACT_HOME: store.home, ARTIFACT_REMOTE: weather.url },
    })

  const kills = { machine: 0, server: 0 }
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SCENARIOS; seed += 1) {
    const random = seededRandom(seed)
    const workload = new Workload(seed, random)
    const next = forecast(random)
    for (const machine of machines) {
      for (let step = 0; step < 2; step += 1) await workload.step(machine, weather.url)
    }
    const started = sync(machines[Math.floor(random() * 2)]!)
    let left = 1 + Math.floor(random() * 5)
    const killsServer = random() < 0.4
    let restarting: Promise<void> | undefined
    weather.next = () => {
      left -= 1
      // The request goes on: it is in the hands of whoever is killed.
      if (left === 0 && killsServer) restarting = restart()
      else if (left === 0) started.child.kill('SIGKILL')
      const fault = next()
      // The command waits a minute before it gives up a silent server.
      return fault?.kind === 'stall' ? undefined : fault
    }
    const restart = async () => {
      await server.kill()
      kills.server += 1
      server = await serveProcess(t, data)
      weather.target = server.url
    }
    if ((await started.ended).signal === 'SIGKILL') kills.machine += 1
    await restarting
    weather.next = () => undefined
    for (const machine of machines) {
      const { code, stdout, stderr } = await sync(machine).ended
      t.equal(code, 0, `seed ${seed}, ${machine.name}: ${stdout}${stderr}`)
    }
    const served = openStore(data)
    t.same(await checkSynced(served, workload), [], `seed ${seed}`)
    await served.close()
  }
  t.comment(`${kills.machine} machines and ${kills.server} servers were killed`)
  t.ok(kills.machine > 2 && kills.server > 2)
})
