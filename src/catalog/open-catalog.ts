import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { ArtifactError, type ErrorData, storeError } from '../errors.js'
import { connectTo } from '../ipc/endpoint.js'
import { ConnectionLost, RpcClient } from '../ipc/rpc.js'
import { homePaths } from '../model/home.js'
import { CATALOG_METHODS, type Catalog } from './catalog.js'

/** How long a store may be held by a process that does not serve it, before a call gives up. */
const BUSY_MS = 10_000
/** Pause between attempts to reach a host or to become it; doubles up to 200 ms. */
const FIRST_PAUSE_MS = 10

type HostMessage = { state: 'ready' | 'locked' } | { state: 'failed'; error: ErrorData }

export interface OpenCatalog {
  catalog: Catalog
  /** Takes a lock that ends with this process or with `close`. False when another holds it. */
  tryLock(name: string): Promise<boolean>
  close(): Promise<void>
}

/**
 * Opens the catalog of a store from any process: through the host where there is one, else by
 * becoming the host, in a worker thread of its own. A call whose host dies or retires is asked
 * again of the next one, which is safe because every call may be repeated.
 *
 * @throws `STORE_BUSY` when another process holds the store for 10 seconds without serving it.
 */
export function openCatalog(home: string): OpenCatalog {
  const link = new HostLink(home)
  const catalog = Object.fromEntries(
    CATALOG_METHODS.map(name => [name, (...args: unknown[]) => link.call(name, args)]),
  ) as unknown as Catalog
  return {
    catalog,
    tryLock: name => link.call<boolean>('tryLock', [name]),
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
  /** Calls without an answer, oldest first: a new host is asked them again in this order. */
  readonly #open = new Set<OpenCall>()
  #client: RpcClient | undefined
  #reaching: Promise<void> | undefined
  #worker: Worker | undefined
  #closed = false

  constructor(home: string) {
    this.#home = home
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

  async close(): Promise<void> {
    this.#closed = true
    this.#rejectAll(new ArtifactError('STORE_FAILED', 'the store is closed'))
    await this.#reaching
    this.#client?.close()
    const worker = this.#worker
    if (!worker) return
    worker.ref()
    const exited = once(worker, 'exit')
    worker.postMessage('close')
    await exited
  }

  /** Sends a call; one whose connection is lost stays open, for the next host. */
  async #send(client: RpcClient, call: OpenCall): Promise<void> {
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
        if (this.#open.size > 0) this.#reach()
      })
      for (const call of this.#open) void this.#send(client, call)
    } catch (error) {
      this.#rejectAll(storeError(error, `reaching the catalog of ${this.#home}`))
    }
  }

  #rejectAll(error: unknown): void {
    for (const call of this.#open) call.reject(error)
    this.#open.clear()
  }

  async #connect(): Promise<RpcClient> {
    const deadline = Date.now() + BUSY_MS
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, 200)) {
      const socket = await connectTo(homePaths(this.#home).host, 'host')
      if (socket) return new RpcClient(socket)
      if (await this.#becomeHost()) continue
      if (Date.now() > deadline) {
        throw new ArtifactError('STORE_BUSY', `${this.#home} is held by a process that is silent`)
      }
      await sleep(pause)
    }
  }

  async #becomeHost(): Promise<boolean> {
    const worker = new Worker(new URL('./host-worker.js', import.meta.url), {
      workerData: { home: this.#home },
      name: 'artifactd-host',
      execArgv: [],
    })
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = undefined
    })
    const [message] = (await once(worker, 'message')) as [HostMessage]
    if (message.state === 'failed') throw ArtifactError.from(message.error)
    if (message.state === 'locked') return false
    this.#worker = worker
    worker.unref()
    return true
  }
}
