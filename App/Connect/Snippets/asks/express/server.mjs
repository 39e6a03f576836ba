import express from 'express';
import { whoIsCalling } from './introspect.mjs';

const app = express();
app.use(async (req, res, next) => {
  try {
    req.user = await whoIsCalling(req.headers);
  } catch (error) {
    console.error(error);
    return res.status(503).json({ errors: [{ message: 'Try again in a moment' }] });
  }
  if (req.user) next();
  else res.status(401).set('WWW-Authenticate', 'Bearer').json({ errors: [{ message: 'Not authorized' }] });
});

app.get('/', (req, res) => res.json({ hello: req.user.email }));

app.listen(process.env.PORT);
