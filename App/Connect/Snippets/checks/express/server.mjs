import express from 'express';
import { gatehouse } from './gatehouse.mjs';

const app = express();
app.use(gatehouse({
  issuer: '{issuer}',
  audience: '{audience}',
  clientId: '{client_id}',
}));

app.get('/', (req, res) => res.json({ hello: req.user.email }));

app.listen(process.env.PORT);
