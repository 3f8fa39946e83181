import type Gax from 'google-gax'

import {networkTrouble} from '../network-trouble.ts'
import {isForeign} from './refusal.ts'

/** What happened to one call, as far as its status doesn't say. */
export type Observation = {
  /** The service itself has answered, and not only our end of the connection. */
  answered: boolean
  /** That answer was none of gRPC's: a page of a proxy, for example. */
  foreign: boolean
}

type Grpc = typeof Gax.grpc
type ChannelCredentials = ReturnType<Grpc['credentials']['createSsl']>

/**
 * TLS as gRPC does it by itself, but a refused certificate can be told from a connection that fails: gRPC gives both the same
 * status, and the reason as a text only.
 *
 * @param tell - gets Node's code of a refused certificate, and `undefined` after a handshake that went well.
 */
export function watchedTls({credentials}: Grpc, tell: (refused: string | undefined) => void): ChannelCredentials {
  const tls = credentials.createSsl()
  // The one place where the error itself, with its code, can be seen.
  const create = tls._createSecureConnector.bind(tls)
  tls._createSecureConnector = (...given) => {
    const connector = create(...given)
    const connect = connector.connect.bind(connector)
    connector.connect = async (socket) => {
      try {
        const connected = await connect(socket)
        tell(undefined)
        return connected
      } catch (error) {
        const trouble = networkTrouble(error)
        if (trouble?.code === 'TLS_REFUSED') tell(trouble.detail)
        throw error
      }
    }
    return connector
  }
  return tls
}

/** Notes whether headers of an answer came. Source: https://github.com/grpc/proposal/blob/master/L5-node-client-interceptors.md */
export function answerObserver({InterceptingCall, Client}: Grpc, observation: Observation) {
  return (
    options: ConstructorParameters<typeof Client>[2] & object,
    nextCall: (options: object) => InstanceType<typeof InterceptingCall>,
  ) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, _, next) {
        next(metadata, {
          onReceiveMetadata(received, forward) {
            observation.answered = true
            observation.foreign = isForeign(received.get('content-type')[0])
            forward(received)
          },
        })
      },
    })
}
