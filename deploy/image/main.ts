/** `npm run image`. */
throw new Error('npm run image: being built')
