export default {
  api: {
    input: './openapi.json',
    output: { target: './orval.gen.ts', client: 'fetch', headers: true, baseUrl: process.env.API_URL },
  },
}
