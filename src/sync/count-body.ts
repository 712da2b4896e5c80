/** The same bytes, each part counted as it is taken. */
export async function* countBody(
  body: AsyncIterable<Uint8Array>,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const part of body) {
    count(part.length)
    yield part
  }
}
