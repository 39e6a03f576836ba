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
process.once('SIGTERM', () => {
  server.close(() => gate.close());
  setTimeout(() => server.closeAllConnections(), 5000).unref();
});
