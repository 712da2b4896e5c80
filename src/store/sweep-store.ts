import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { MAX_BATCH } from '../catalog/catalog.js'
import type { RemovalRequest, Root } from '../catalog/keeping.js'
import { checkWritable } from '../disk/check-writable.js'
import { ArtifactError, storeError, systemCode } from '../errors.js'
import { homePaths } from '../model/home.js'
import { cutRuns } from './cut-runs.js'
import { PACK_BYTES } from './file-ingester.js'
import { listStoredFiles } from './list-stored-files.js'
import {
  LEAST_DEAD_SHARE,
  type PartPack,
  type PlanOptions,
  planSweep,
  type SweepPlan,
} from './plan-sweep.js'
import { checkAborted } from './progress.js'
import { rewritePacks } from './rewrite-packs.js'
import type { Store } from './store.js'

/** Commits wait while files are removed, and what is in them is taken out of the index. */
const FILES_A_STEP = 64
/** So many bytes of packs, or one that is larger: one of small files has 4,000 records a MiB. */
const PACKS_A_STEP = { most: 16 * 1024 * 1024, count: FILES_A_STEP }
/** A pack is written anew if so much of it is dead: to free a byte costs three at most. */
const DEAD_SHARE = 0.25
/** Pauses of other processes may end a sweep; then it begins again. */
const ATTEMPTS = 3

export interface SweepOptions extends PlanOptions {
  /** Only say what would be done. Default false. */
  dryRun?: boolean | undefined
}

export interface SweepResult {
  /** Bytes of packs and objects, before and after. */
  bytesBefore: number
  bytesAfter: number
  /** Versions whose bytes went, those used longest ago first. */
  evicted: Omit<Root, 'pieces' | 'external'>[]
}

/**
 * Removes what no version of a store needs, and for a `limit` what versions need that the remote has
 * and that were used longest ago. It runs beside everything else, and may be cut at any time. What
 * is pending stays, and what somebody holds (`Catalog.hold`); the limit is exceeded by no more than
 * that. One at a time: another one ends this.
 *
 * @throws `BLOB_MISSING` or `BLOB_DAMAGED` when a manifest cannot be read, because then nobody knows
 *   what is needed; `STORE_DAMAGED` while parts of a damaged journal lie aside; `STORE_READ_ONLY`;
 *   `STORE_BUSY` when it was ended again and again; `INTERRUPTED`.
 */
export async function sweepStore(store: Store, options: SweepOptions = {}): Promise<SweepResult> {
  checkWritable(store.home)
  expectWholeJournal(store.home)
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const result = await new StoreSweep(store, options).run()
    if (result) return result
  }
  throw new ArtifactError('STORE_BUSY', 'another process swept the store, or took its host over', {
    details: { home: store.home },
  })
}

/** What a salvage could not read may name bytes that somebody wants to log again. */
function expectWholeJournal(home: string): void {
  const { journal } = homePaths(home)
  const damaged = listNames(journal).find(name => name.endsWith('.damaged'))
  if (damaged === undefined) return
  const path = join(journal, damaged)
  const message = `${path} is what is left of a damaged journal: what was lost with it may still be in the store; remove the file to give that up`
  throw new ArtifactError('STORE_DAMAGED', message, { details: { path } })
}

function listNames(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw storeError(error, `reading ${folder}`)
  }
}

class StoreSweep {
  readonly #store: Store
  readonly #options: SweepOptions
  #sweep = ''
  #isOver = false

  constructor(store: Store, options: SweepOptions) {
    this.#store = store
    this.#options = options
  }

  /** Undefined when it was ended by another. */
  async run(): Promise<SweepResult | undefined> {
    const { catalog } = this.#store
    const { limit, dryRun = false } = this.#options
    this.#sweep = await catalog.beginSweep()
    const plan = await planSweep(this.#store, this.#options)
    const evicted = plan.evicted.map(({ pieces: _, external: __, ...root }) => root)
    const result = { bytesBefore: plan.bytes, bytesAfter: plan.bytes, evicted }
    if (dryRun) return { ...result, bytesAfter: plan.bytes - estimate(plan, limit) }
    const ids = evicted.map(({ id }) => id)
    for (const some of cutRuns(ids, { weigh: () => 1, most: MAX_BATCH })) await catalog.evict(some)
    await this.#removeDead(plan)
    await this.#rewrite(plan)
    return this.#isOver ? undefined : { ...result, bytesAfter: this.#measure() }
  }

  async #removeDead({ objects, deadPacks }: SweepPlan): Promise<void> {
    for (const some of cutRuns(objects, { weigh: () => 1, most: FILES_A_STEP })) {
      await this.#remove({ objects: some })
    }
    await this.#removePacks(deadPacks)
  }

  async #rewrite(plan: SweepPlan): Promise<void> {
    const weigh = ({ size, deadBytes }: PartPack) => size - deadBytes
    // Several become one.
    for (const group of cutRuns(plan.partPacks, { weigh, most: PACK_BYTES })) {
      const wanted = group.filter(pack => this.#isWorthwhile(pack))
      if (wanted.length === 0 || this.#isOver) return
      const packs = new Set(await rewritePacks(this.#store, wanted, plan.isNeeded))
      await this.#removePacks(wanted.filter(({ packId }) => packs.has(packId)))
    }
  }

  async #removePacks(packs: Pick<PartPack, 'packId' | 'size'>[]): Promise<void> {
    for (const some of cutRuns(packs, { weigh: ({ size }) => size, ...PACKS_A_STEP })) {
      await this.#remove({ packs: some.map(({ packId }) => packId) })
    }
  }

  #isWorthwhile(pack: PartPack): boolean {
    const { limit } = this.#options
    if (isMostlyDead(pack)) return true
    const isWorthIt = pack.deadBytes >= pack.size * LEAST_DEAD_SHARE
    return limit !== undefined && isWorthIt && this.#measure() > limit
  }

  async #remove({ packs = [], objects = [] }: Partial<RemovalRequest>): Promise<void> {
    checkAborted(this.#options.signal)
    if (this.#isOver) return
    const request = { sweep: this.#sweep, packs, objects }
    this.#isOver = (await this.#store.catalog.removeFiles(request)) === null
  }

  #measure(): number {
    return listStoredFiles(this.#store.home).reduce((sum, { size }) => sum + size, 0)
  }
}

function isMostlyDead({ size, deadBytes }: PartPack): boolean {
  return deadBytes >= size * DEAD_SHARE
}

/** What would be freed. */
function estimate({ bytes, objects, deadPacks, partPacks }: SweepPlan, limit = Infinity): number {
  let freed = [...objects, ...deadPacks].reduce((sum, { size }) => sum + size, 0)
  for (const pack of partPacks) {
    if (isMostlyDead(pack) || bytes - freed > limit) freed += pack.deadBytes
  }
  return freed
}
