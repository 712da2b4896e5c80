import type { Socket } from 'node:net'
import {
  createMessageConnection,
  ErrorCodes,
  type MessageConnection,
  ParameterStructures,
  ResponseError,
  SocketMessageReader,
  SocketMessageWriter,
} from 'vscode-jsonrpc/node'
import { ArtifactError, storeError } from '../errors.js'
import { type Peer, SILENCE_MS } from './endpoint.js'

export type RpcHandler = (...args: never[]) => Promise<unknown>

/** Answered by every server, at once, whatever else it does: it shows that its process runs. */
const PING = 'ping'
/** Looks at a connection on which an answer is awaited, before it counts as silent. */
const LOOKS = 5

/** The connection ended before the answer came: the call may or may not have taken effect. */
export class ConnectionLost extends Error {}

/** How the methods of another process are called, or of another part of this one. */
export interface Caller {
  /**
   * @throws the handler's coded error, or {@link ConnectionLost}. What is lost may have been done.
   */
  call<T>(method: string, args: unknown[]): Promise<T>
  /** Resolves when no call is answered any more. */
  readonly closed: Promise<void>
  close(): void
}

/** Calls a method. Errors without a code get one. */
export async function answerCall(
  handlers: Record<string, RpcHandler>,
  method: string,
  args: unknown[],
): Promise<unknown> {
  try {
    return (await handlers[method]!(...(args as never[]))) ?? null
  } catch (error) {
    throw error instanceof TypeError ? error : storeError(error, method)
  }
}

/** Serves methods on a socket until it closes. Errors travel as plain data and keep their code. */
export function serveRpc(socket: Socket, handlers: Record<string, RpcHandler>): void {
  const connection = open(socket)
  connection.onRequest(async (method, params) => {
    if (method === PING) return null
    if (!Object.hasOwn(handlers, method)) {
      return new ResponseError(ErrorCodes.MethodNotFound, `no method ${method}`)
    }
    try {
      // JSON has no undefined: an argument that was left out before another comes as null.
      const args = (Array.isArray(params) ? params : []).map(arg => arg ?? undefined)
      return await answerCall(handlers, method, args)
    } catch (error) {
      const coded = error as TypeError | ArtifactError
      const data = coded instanceof ArtifactError ? coded.toJSON() : { type: 'TypeError' }
      return new ResponseError(ErrorCodes.InternalError, coded.message, data)
    }
  })
  connection.listen()
}

/**
 * Calls methods of another process. The connection keeps this process alive only while a call is
 * open. A call may take as long as it likes, while the other side answers pings meanwhile.
 */
export class RpcClient implements Caller {
  readonly #connection: MessageConnection
  readonly #peer: Peer
  readonly #socket: Socket
  #open = 0
  #lost = false
  #silence: ArtifactError | undefined
  #watch: NodeJS.Timeout | undefined
  readonly closed: Promise<void>

  constructor(peer: Peer) {
    const { socket } = peer
    this.#peer = peer
    this.#socket = socket
    this.#connection = open(socket)
    this.closed = new Promise(resolve => {
      this.#connection.onClose(() => {
        this.#lost = true
        // Disposing is what rejects the calls under way.
        this.#connection.dispose()
        resolve()
      })
    })
    this.#connection.listen()
    socket.unref()
  }

  /**
   * @throws the handler's coded error, {@link ConnectionLost}, or `STORE_BUSY` when the other
   *   process says nothing at all for 10 seconds: what was asked may be done when it goes on.
   */
  async call<T>(method: string, args: unknown[]): Promise<T> {
    if (this.#lost) throw this.#silence ?? new ConnectionLost('the connection is closed')
    if (this.#open++ === 0) this.#startWatch()
    try {
      return await this.#connection.sendRequest<T>(method, ParameterStructures.byPosition, ...args)
    } catch (error) {
      if (error instanceof ResponseError && error.code === ErrorCodes.InternalError) {
        const data = error.data as { type?: string } | undefined
        throw data?.type === 'TypeError' ? new TypeError(error.message) : ArtifactError.from(data)
      }
      if (error instanceof ResponseError && error.code === ErrorCodes.MethodNotFound) {
        throw new ArtifactError('PROTOCOL_UNSUPPORTED', error.message)
      }
      if (this.#silence) throw this.#silence
      throw new ConnectionLost('the connection closed during a call', { cause: error })
    } finally {
      if (--this.#open === 0) this.#stopWatch()
    }
  }

  /**
   * Silence is counted in turns of this process's own loop, in each of which it would have read an
   * answer: a process that was itself stopped for a while takes nobody else for silent.
   */
  #startWatch(): void {
    this.#socket.ref()
    let heard = this.#socket.bytesRead
    let silent = 0
    this.#watch = setInterval(() => {
      silent = this.#socket.bytesRead === heard ? silent + 1 : 0
      heard = this.#socket.bytesRead
      if (silent >= LOOKS) {
        this.#silence = this.#peer.silent()
        this.#socket.destroy()
      } else if (silent === 1) {
        // Its answer is bytes; that it may not come is what this is about.
        this.#connection.sendRequest(PING).catch(() => {})
      }
    }, SILENCE_MS / LOOKS)
  }

  #stopWatch(): void {
    clearInterval(this.#watch)
    this.#socket.unref()
  }

  close(): void {
    this.#socket.end()
  }
}

function open(socket: Socket): MessageConnection {
  const reader = new SocketMessageReader(socket)
  // Its timer would start again and again, and keep the thread, after a peer that died within a
  // message.
  reader.partialMessageTimeout = 0
  const connection = createMessageConnection(reader, new SocketMessageWriter(socket))
  // A broken message or socket is followed by a close, which is what both sides act on.
  connection.onError(() => socket.destroy())
  return connection
}
