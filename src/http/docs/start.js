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
        const name = document.getElementById('auth_username');
        if (name) name.focus();
      }, []);
      return React.createElement(Auths, props);
    },
  },
});

SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: asScript,
  plugins: [BasicFirst],
});
