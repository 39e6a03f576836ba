import Fastify from 'fastify';
import { whoIsCalling } from './introspect.mjs';

const app = Fastify();
app.decorateRequest('user', null);
app.addHook('onRequest', async (request, reply) => {
  try {
    request.user = await whoIsCalling(request.headers);
  } catch (error) {
    console.error(error);
    return reply.code(503).send({ errors: [{ message: 'Try again in a moment' }] });
  }
  if (!request.user) return reply.code(401).header('WWW-Authenticate', 'Bearer').send({ errors: [{ message: 'Not authorized' }] });
});

app.get('/', (request) => ({ hello: request.user.email }));

await app.listen({ port: process.env.PORT });
