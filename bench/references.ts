import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import {
  CreateBucketCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import pLimit from 'p-limit'
import { seededBytes } from '../fixtures/make-even-tree.js'
import { startProxy } from '../fixtures/references/proxy.js'
import { lacksServer, s3Environment, startS3Server } from '../fixtures/references/test-server.js'
import { cliIn } from '../fixtures/run-cli.js'
import { describeMachine, makeWorkFolder, runArtifact, summarize } from './harness.js'

/** A prefix of 10,000 objects of 1 KiB on a real S3 server over loopback; `bench/README.md`. */
const OBJECTS = 10_000
const ROUNDS = 5
const MILLION = Number(process.env.BENCH_LISTED ?? 1_000_000)

const reason = lacksServer('versitygw')
if (reason) throw new Error(reason)

const work: (() => unknown)[] = []
const t = { teardown: (one: () => unknown) => void work.push(one) }
const folder = makeWorkFolder('references')
t.teardown(() => folder.remove())
const endpoint = await startS3Server(t)
const env = s3Environment(endpoint)
Object.assign(process.env, env)
const s3 = new S3Client({ endpoint, forcePathStyle: true })
await s3.send(new CreateBucketCommand({ Bucket: 'bench' }))
const keys = Array.from({ length: OBJECTS }, (_, index) => `p/${index >> 8}/${index}.bin`)
const limit = pLimit(16)
const bytes = seededBytes('object', 1024)
const put = (Key: string, index: number) => {
  const Body = Buffer.from(bytes)
  Body.writeUInt32LE(index)
  return s3.send(new PutObjectCommand({ Bucket: 'bench', Key, Body }))
}
await Promise.all(keys.map((key, index) => limit(() => put(key, index))))

/** The least that a download can cost: the same client, 16 objects at a time, kept nowhere. */
async function readAll(): Promise<number> {
  const started = process.hrtime.bigint()
  const read = async (Key: string) => {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'bench', Key }))
    await Body!.transformToByteArray()
  }
  await Promise.all(keys.map(key => limit(() => read(key))))
  return Number(process.hrtime.bigint() - started) / 1e9
}

const times: Record<string, number[]> = {
  put: [],
  'put again': [],
  get: [],
  'get again': [],
  sdk: [],
}
let peak = { put: 0, get: 0 }
for (let round = 0; round < ROUNDS; round += 1) {
  const home = join(folder.path, `home-${round}`)
  const run = (...args: string[]) => runArtifact(args, { ...env, ARTIFACT_HOME: home })
  const first = run('put', 's3://bench/p', '-n', 'refs', '--json')
  const second = run('put', 's3://bench/p', '-n', 'refs', '--json')
  if (!JSON.parse(second.stdout).unchanged) throw new Error('the second put made a version')
  const get = run('get', 'refs', '--root', join(folder.path, `a-${round}`), '--json')
  const again = run('get', 'refs', '--root', join(folder.path, `b-${round}`), '--json')
  times.put!.push(first.seconds)
  times['put again']!.push(second.seconds)
  times.get!.push(get.seconds)
  times['get again']!.push(again.seconds)
  times.sdk!.push(await readAll())
  peak = { put: Math.max(peak.put, first.peakMiB), get: Math.max(peak.get, get.peakMiB) }
}

const proxy = await startProxy(t, endpoint)
const cli = cliIn(folder.path, join(folder.path, 'counted'), s3Environment(proxy.url))
await cli(['put', 's3://bench/p', '-n', 'refs'])
const putRequests = proxy.requests.splice(0)
await cli(['get', 'refs'])
const getRequests = proxy.requests.splice(0)

const worker = new Worker(new URL('./serve-listing.js', import.meta.url), {
  workerData: { objects: MILLION },
})
t.teardown(() => worker.terminate())
const [listing] = (await once(worker, 'message')) as [string]
const many = runArtifact(
  ['put', 's3://bench/p', '-n', 'many', '--max-objects', String(MILLION), '--json'],
  { ...s3Environment(listing), ARTIFACT_HOME: join(folder.path, 'many') },
)
if (JSON.parse(many.stdout).fileCount !== MILLION) throw new Error('objects are missing')

console.log(describeMachine())
for (const [name, values] of Object.entries(times))
  console.log(`${name}: ${summarize(values).text} s`)
console.log(`peak MiB: put ${peak.put.toFixed(0)}, get ${peak.get.toFixed(0)}`)
const listings = putRequests.filter(line => line.includes('list-type=2')).length
console.log(`put: ${putRequests.length} requests, of them ${listings} listings`)
console.log(`get: ${getRequests.length} requests`)
console.log(`put of ${MILLION}: ${many.seconds.toFixed(1)} s, peak ${many.peakMiB.toFixed(0)} MiB`)
for (const one of work.reverse()) await one()
