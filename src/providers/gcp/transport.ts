import type Gax from 'google-gax'

type Gaxios = typeof Gax.googleAuthLibrary.gaxios

/** How Google's library sends its requests: what its clients take as `transporterOptions`. */
export type Transport = NonNullable<ConstructorParameters<Gaxios['Gaxios']>[0]>

/** Tries of one request. */
const attempts = 3

/**
 * Requests that end: each by its time, and all of them with `signal`, which {@link abortSoon} fires. Else one that is never
 * answered would keep the process alive after everybody has stopped waiting for it. And they go where they were sent: a
 * redirect is a failure, with its status, and so is a page for people.
 *
 * @param timeoutMs - of one request.
 */
export function transportOf(gaxios: Gaxios, signal: AbortSignal, timeoutMs: number): Transport {
  let ready: Promise<unknown> | undefined
  return {
    signal,
    timeout: timeoutMs,
    async adapter(config, send) {
      // Loads the library's fetch, and asks nobody: from then on nothing comes between the look at the signal and the sending.
      await (ready ??= new gaxios.Gaxios().request({url: 'data:,', responseType: 'text'}))
      // That fetch, given a signal that has fired already, throws where nobody can catch it.
      signal.throwIfAborted()
      // Followed, a redirect would take what we log in with to another host; so it is an answer like another.
      const answer = await send({...config, redirect: 'manual'})
      // The library would look for a token in it.
      const {data}: {readonly data?: unknown} = answer
      // Some servers call a bare token text/html, too.
      const isPage = typeof data === 'string' && data.trimStart().startsWith('<')
      if (answer.ok && isPage && answer.headers.get('content-type')?.startsWith('text/html') === true)
        throw new gaxios.GaxiosError('a page', config, answer)
      return answer
    },
    retryConfig: {
      shouldRetry: ({code, response, config}) => {
        // Another time as long would be longer than a call may take.
        if (code === 'TimeoutError' || signal.aborted) return false
        const status = response?.status
        const isPassing = status === undefined || status === 408 || status === 429 || status >= 500
        return isPassing && (config.retryConfig?.currentRetryAttempt ?? 0) < attempts - 1
      },
    },
  }
}

/** Fires when all that was about to be sent has been sent; see {@link transportOf}. */
export const abortSoon = (controller: AbortController): void => void setImmediate(() => controller.abort())
