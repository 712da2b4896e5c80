import { setTimeout as sleep } from 'node:timers/promises'
import { isReadOnly } from '../disk/check-writable.js'
import { ArtifactError, storeError } from '../errors.js'
import { type Announcement, type ProtocolRange, readAnnouncement } from '../ipc/announcement.js'
import { connectTo, IPC_PROTOCOL, type Peer, SILENCE_MS } from '../ipc/endpoint.js'
import { thisMachine } from '../ipc/machine.js'
import { isPrivate } from '../ipc/private-folder.js'
import { type Caller, ConnectionLost, RpcClient } from '../ipc/rpc.js'
import { homePaths } from '../model/home.js'
import { CATALOG_METHODS, type Catalog, HOST_ROLE } from './catalog.js'
import { markHosted } from './hosted-homes.js'
import { type HostPlace, type OwnHost, startOwnHost } from './own-host.js'
import { locateInRows } from './place-rows.js'

/** How long a host of another machine or container may take to announce itself, in milliseconds. */
const ELSEWHERE_MS = 1500
/** How long a host that was asked to retire leaves its place to the one that asked. */
const YIELD_MS = 2000
/** Older hosts that are asked to retire before their protocol must do. */
const MAX_RETIRED = 3
/** Pause between attempts to reach a host or to become it; doubles up to 200 ms. */
const FIRST_PAUSE_MS = 10

export interface OpenCatalogOptions {
  /** What this program speaks. Default {@link IPC_PROTOCOL}. */
  protocol?: ProtocolRange
  /** Where this process serves the catalog, should it become the host. Default: a worker thread. */
  hostPlace?: HostPlace | undefined
}

export interface OpenCatalog {
  catalog: Catalog
  /** Takes a lock that ends with this process or with `close`. False when another holds it. */
  tryLock(name: string): Promise<boolean>
  /**
   * Calls `listener` each time that another host was reached than before. Meanwhile one is reached as
   * soon as the last has ended, not with the next call only.
   * @returns what ends that.
   */
  onNewHost(listener: () => void): () => void
  close(): Promise<void>
}

/**
 * Opens the catalog of a store from any process: through the host where there is one, else by
 * becoming the host. A call whose host dies or retires is asked
 * again of the next one, which is safe because every call may be repeated. A host of an older
 * protocol is asked to retire, so that this process takes its place.
 *
 * Calls fail with `STORE_BUSY`, naming the process, when the host says nothing for 10 seconds, or
 * holds the store so long without serving it: it is never taken over while it lives, and what was
 * asked of it may be done yet. They fail with `STORE_ELSEWHERE` when a process of another machine
 * or container holds the store and cannot be reached from here.
 */
export function openCatalog(home: string, options: OpenCatalogOptions = {}): OpenCatalog {
  const link = new HostLink(home, options)
  const catalog = Object.fromEntries(
    Object.keys(CATALOG_METHODS).map(name => [name, (...args: unknown[]) => link.call(name, args)]),
  ) as unknown as Catalog
  return {
    catalog,
    tryLock: name => link.call<boolean>('tryLock', [name]),
    onNewHost: listener => link.onNewHost(listener),
    close: () => link.close(),
  }
}

interface OpenCall {
  method: string
  args: unknown[]
  resolve(value: never): void
  reject(error: unknown): void
}

/** The calls of one process, in their order, to whichever process is the host. */
class HostLink {
  readonly #home: string
  readonly #protocol: ProtocolRange
  readonly #hostPlace: HostPlace
  /** Calls without an answer, oldest first: a new host is asked them again in this order. */
  readonly #open = new Set<OpenCall>()
  readonly #listeners = new Set<() => void>()
  #client: Caller | undefined
  #hadHost = false
  #reaching: Promise<void> | undefined
  #own: OwnHost | undefined
  /** When a host of this process that retired may be followed by another. */
  #mayServeAt = 0
  #closed = false

  constructor(home: string, { protocol = IPC_PROTOCOL, hostPlace = 'thread' }: OpenCatalogOptions) {
    this.#home = home
    this.#protocol = protocol
    this.#hostPlace = hostPlace
  }

  call<T>(method: string, args: unknown[]): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) return reject(new ArtifactError('STORE_FAILED', 'the store is closed'))
      const call: OpenCall = { method, args, resolve, reject }
      this.#open.add(call)
      if (this.#client) void this.#send(this.#client, call)
      else this.#reach()
    })
  }

  onNewHost(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#listeners.clear()
    this.#rejectAll(new ArtifactError('STORE_FAILED', 'the store is closed'))
    await this.#reaching
    this.#client?.close()
    await this.#own?.close()
  }

  /** Sends a call; one whose connection is lost stays open, for the next host. */
  async #send(client: Caller, call: OpenCall): Promise<void> {
    try {
      const value = await client.call(call.method, call.args)
      if (this.#open.delete(call)) call.resolve(value as never)
    } catch (error) {
      if (error instanceof ConnectionLost) return
      if (this.#open.delete(call)) call.reject(error)
    }
  }

  /** Connects, and asks everything that is open; again when that connection ends. */
  #reach(): void {
    this.#reaching ??= this.#askAgain().finally(() => {
      this.#reaching = undefined
    })
  }

  async #askAgain(): Promise<void> {
    try {
      const client = await this.#connect()
      this.#client = client
      void client.closed.then(() => {
        this.#client = undefined
        if (this.#open.size > 0 || this.#listeners.size > 0) this.#reach()
      })
      // They may call, which is sent below with all that is open.
      if (this.#hadHost) for (const listener of this.#listeners) listener()
      this.#hadHost = true
      for (const call of this.#open) void this.#send(client, call)
    } catch (error) {
      this.#rejectAll(storeError(error, `reaching the catalog of ${this.#home}`))
    }
  }

  #rejectAll(error: unknown): void {
    for (const call of this.#open) call.reject(error)
    this.#open.clear()
  }

  async #connect(): Promise<Caller> {
    const start = Date.now()
    let retired = 0
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, 200)) {
      if (this.#own?.connect) return this.#own.connect()
      const peer = await this.#reachHost()
      if (peer) {
        const client = new RpcClient(peer)
        if (peer.protocol.max >= this.#protocol.max || retired === MAX_RETIRED) {
          return locateInRows(client)
        }
        retired += 1
        await retire(client)
      }
      if (Date.now() >= this.#mayServeAt && (await this.#becomeHost())) continue
      this.#checkHolder(Date.now() - start)
      await sleep(pause)
    }
  }

  /** In its own folder, where it serves a store that it cannot write. */
  #reachHost(): Promise<Peer | null> {
    const { host } = homePaths(this.#home)
    const protocol = this.#protocol
    if (this.#own) return connectTo(this.#own.folder, HOST_ROLE, { protocol })
    // Sockets on a disk that nobody can write are as old as the disk, and their folder anybody's.
    if (isReadOnly(this.#home) && !isPrivate(host)) return Promise.resolve(null)
    return connectTo(host, HOST_ROLE, { protocol })
  }

  /** @param waited for how long the store was held by a process that does not serve it. */
  #checkHolder(waited: number): void {
    const holder = readAnnouncement(homePaths(this.#home).host, HOST_ROLE)
    if (holder && waited > ELSEWHERE_MS && isElsewhere(holder))
      throw heldElsewhere(this.#home, holder)
    if (waited > SILENCE_MS) throw heldSilently(this.#home, holder)
  }

  async #becomeHost(): Promise<boolean> {
    const unmark = markHosted(this.#home)
    if (!unmark) return false
    let own: OwnHost | null = null
    try {
      own = await startOwnHost(this.#home, {
        protocol: this.#protocol,
        place: this.#hostPlace,
        onRetire: () => {
          this.#mayServeAt = Date.now() + YIELD_MS
        },
      })
    } finally {
      if (!own) unmark()
    }
    if (!own) return false
    this.#own = own
    void own.ended.then(() => {
      unmark()
      this.#own = undefined
    })
    return true
  }
}

/** Makes a host of an older program end. */
async function retire(client: RpcClient): Promise<void> {
  try {
    await client.call('retire', [])
    await client.closed
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error
  }
}

function isElsewhere({ hostname, bootId }: Announcement): boolean {
  const here = thisMachine()
  return hostname !== here.hostname || bootId !== here.bootId
}

function heldElsewhere(home: string, { hostname, pid }: Announcement): ArtifactError {
  return new ArtifactError(
    'STORE_ELSEWHERE',
    `${home} is held by process ${pid} of ${hostname}, another machine or container, which cannot ` +
      'be reached from here: end it, or use another ARTIFACT_HOME',
    { details: { home, hostname, pid } },
  )
}

function heldSilently(home: string, holder: Announcement | undefined): ArtifactError {
  const who = holder ? `a process, the last known being ${holder.pid},` : 'a process'
  return new ArtifactError(
    'STORE_BUSY',
    `${home} is held by ${who} that does not serve it: it is stopped, or another program. ` +
      'Let it go on, or end it, and try again',
    { details: { home, ...(holder && { pid: holder.pid, hostname: holder.hostname }) } },
  )
}
