import type {HttpClient} from '@azure/core-rest-pipeline'

/**
 * The SDK's HTTP client, where a connection that breaks in the middle of an answer is a broken connection like any other:
 * the SDK calls it PARSE_ERROR, and then neither tries again nor says that the network did it.
 */
export const wholeAnswers = (http: HttpClient): HttpClient => ({
  sendRequest: async (request) => {
    try {
      return await http.sendRequest(request)
    } catch (error) {
      const isCut = error instanceof Error && 'code' in error && error.code === 'PARSE_ERROR'
      // Thrown here, it is about reading the answer; what the answer says is looked at further out.
      throw isCut ? Object.assign(error, {code: 'ECONNRESET'}) : error
    }
  },
})
