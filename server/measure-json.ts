const [QUOTE, BACKSLASH, COMMA, OPEN_LIST, OPEN_OBJECT, CLOSE_LIST, CLOSE_OBJECT] = [
  ...Buffer.from('"\\,[{]}'),
] as [number, number, number, number, number, number, number]

export interface JsonMeasure {
  values: number
  /** The most lists and objects in which a value stands. */
  depth: number
}

/**
 * About how many values JSON holds, and how deep, without parsing it: a megabyte of brackets takes sixty
 * when it is. Of what is no JSON it says something.
 */
export function measureJson(json: Uint8Array): JsonMeasure {
  let values = 1
  let depth = 0
  let deepest = 0
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at]
    if (byte === QUOTE) at = findQuote(json, at + 1)
    else if (byte === COMMA) values += 1
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      values += 1
      depth += 1
      if (depth > deepest) deepest = depth
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth -= 1
  }
  return { values, depth: deepest }
}

/** Where the string ends that `from` is in. */
function findQuote(json: Uint8Array, from: number): number {
  for (let at = from; at < json.length; at += 1) {
    if (json[at] === QUOTE) return at
    if (json[at] === BACKSLASH) at += 1
  }
  return json.length
}
