import Fastify from 'fastify';
import { gatehouse } from './gatehouse.mjs';

const gate = gatehouse({
  issuer: '{issuer}',
  audience: '{audience}',
  clientId: '{client_id}',
});

const app = Fastify();
app.addHook('onRequest', (request, reply, done) => gate(request.raw, reply.raw, done));

app.get('/', (request) => ({ hello: request.raw.user.email }));

await app.listen({ port: process.env.PORT });
const stop = () => {
  app.close().then(gate.close);
  setTimeout(() => app.server.closeAllConnections(), 5000).unref();
};
process.once('SIGTERM', stop).once('SIGINT', stop);
