// A browser opens a sign-in box of its own at a Basic challenge, and the call waits behind it. Scripts get none.
const asScript = (request) => {
  request.headers['X-Requested-With'] = 'XMLHttpRequest';
  return request;
};

// Each credential's first field asks for the cursor, and the last one gets it: Basic is what most calls take.
const BasicFirst = ({ React }) => ({
  wrapComponents: {
    auths: (Auths) => (props) => {
      React.useEffect(() => {
        const name = document.getElementById('auth-basic-username');
        if (name) name.focus();
      }, []);
      return React.createElement(Auths, props);
    },
  },
});

// The links of error messages name a code below the calls. Swagger UI moves it down, and takes the name for one of its own.
const asked = location.hash;
const showCode = () => {
  if (asked.startsWith('#error-')) requestAnimationFrame(() => location.replace(asked));
};

SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: asScript,
  plugins: [BasicFirst],
  onComplete: showCode,
});
