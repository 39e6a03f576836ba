// A service of the course, as its author writes one: the cookie is read by cookie-session, the token by jsonwebtoken.
import cookieSession from 'cookie-session';
import express from 'express';
import jwt from 'jsonwebtoken';

const app = express();
app.set('trust proxy', true);
app.use(express.json());
app.use(cookieSession({ signed: false, secure: false }));

app.use((req, res, next) => {
  if (!req.session?.jwt) return next();
  try {
    req.currentUser = jwt.verify(req.session.jwt, process.env.JWT_KEY);
  } catch {
    // As in the course: a bad token is nobody's.
  }
  next();
});

app.get('/api/orders', (req, res) => {
  if (!req.currentUser) return res.status(401).send({ errors: [{ message: 'Not authorized' }] });
  res.send({ userId: req.currentUser.id, email: req.currentUser.email });
});

// What the course's own auth service does at the end of a sign-in.
app.post('/write', (req, res) => {
  req.session = { jwt: req.body.jwt };
  res.send({});
});

const server = app.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
