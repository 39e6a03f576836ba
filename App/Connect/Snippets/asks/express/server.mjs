import express from 'express';
import { whoIsCalling } from './introspect.mjs';

const app = express();
app.use(async (req, res, next) => {
  req.user = await whoIsCalling(req.headers);
  if (req.user) next();
  else res.status(401).set('WWW-Authenticate', 'Bearer').json({ errors: [{ message: 'Not authorized' }] });
});

app.get('/', (req, res) => res.json({ hello: req.user.email }));

app.listen(process.env.PORT);
