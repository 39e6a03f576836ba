import express from 'express';
import { gatehouse } from './gatehouse.mjs';

const gate = gatehouse({
  issuer: '{issuer}',
  audience: '{audience}',
  clientId: '{client_id}',
});

const app = express();
app.use(gate);

app.get('/', (req, res) => res.json({ hello: req.user.email }));

const server = app.listen(process.env.PORT);
const stop = () => {
  server.close(() => gate.close());
  setTimeout(() => server.closeAllConnections(), 5000).unref();
};
process.once('SIGTERM', stop).once('SIGINT', stop);
