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

export type RpcHandler = (...args: never[]) => Promise<unknown>

/** The connection ended before the answer came: the call may or may not have taken effect. */
export class ConnectionLost extends Error {}

/** Serves methods on a socket until it closes. Errors travel as plain data and keep their code. */
export function serveRpc(socket: Socket, handlers: Record<string, RpcHandler>): void {
  const connection = open(socket)
  connection.onRequest(async (method, params) => {
    const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined
    if (!handler) return new ResponseError(ErrorCodes.MethodNotFound, `no method ${method}`)
    try {
      // JSON has no undefined: an argument that was left out before another comes as null.
      const args = (Array.isArray(params) ? params : []).map(arg => arg ?? undefined) as never[]
      return (await handler(...args)) ?? null
    } catch (error) {
      const coded = error instanceof TypeError ? error : storeError(error, method)
      const data = coded instanceof ArtifactError ? coded.toJSON() : { type: 'TypeError' }
      return new ResponseError(ErrorCodes.InternalError, coded.message, data)
    }
  })
  connection.listen()
}

/** Calls methods over a socket. The socket keeps the process alive only while a call is open. */
export class RpcClient {
  readonly #connection: MessageConnection
  readonly #socket: Socket
  #open = 0
  #lost = false
  readonly closed: Promise<void>

  constructor(socket: Socket) {
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

  /** @throws the handler's coded error, or {@link ConnectionLost}. */
  async call<T>(method: string, args: unknown[]): Promise<T> {
    if (this.#lost) throw new ConnectionLost('the connection is closed')
    if (this.#open++ === 0) this.#socket.ref()
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
      throw new ConnectionLost('the connection closed during a call', { cause: error })
    } finally {
      if (--this.#open === 0) this.#socket.unref()
    }
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
