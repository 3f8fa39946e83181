import {randomBytes} from 'node:crypto'

import {type Answer, envelope, type Fields, ok, refusal, textIn} from './answers.ts'

const gone = refusal(400, 'wrapping token is not valid or does not exist')

/** Answers that are kept until somebody takes one look. @param now - the clock of the server. */
export function makeWrapping(now: () => number) {
  const wrapped = new Map<
    string,
    {readonly path: string; readonly body: unknown; readonly madeMs: number; readonly ttl: number}
  >()
  const alive = (token: string) => {
    const one = wrapped.get(token)
    return one !== undefined && one.madeMs + one.ttl * 1000 > now() ? one : undefined
  }
  return {
    /** Keeps an answer back. @param path - what it is the answer to. */
    wrap: (answer: Answer, path: string, ttl: number): Answer => {
      if (answer.status !== 200) return answer
      const token = `hvs.${randomBytes(48).toString('base64url')}`
      wrapped.set(token, {path, body: answer.body, madeMs: now(), ttl})
      const info = {
        token,
        accessor: randomBytes(12).toString('base64url'),
        ttl,
        creation_time: new Date(now()).toISOString(),
        creation_path: path,
        wrapped_accessor: '',
      }
      return {status: 200, body: envelope(null, {request_id: '', wrap_info: info})}
    },
    /** A wrapping token is good for one request, whatever that is. */
    spend: (token: string): boolean => wrapped.delete(token),
    /** `sys/wrapping/…`, which needs no token but the wrapping one. @returns `undefined` for anything else. */
    answer: (rest: string, sent: Fields, header: string): Answer | undefined => {
      const token = textIn(sent, 'token') || header
      const one = alive(token)
      if (rest === 'lookup') {
        if (token === '') return refusal(403, 'error validating wrapping token: token is empty')
        if (one === undefined) return gone
        const {path, madeMs, ttl} = one
        return ok({creation_path: path, creation_time: new Date(madeMs).toISOString(), creation_ttl: ttl})
      }
      if (rest !== 'unwrap') return undefined
      if (token === '') return refusal(403, 'error validating wrapping token: token is empty')
      if (one === undefined) return gone
      wrapped.delete(token)
      return {status: 200, body: one.body}
    },
  }
}
