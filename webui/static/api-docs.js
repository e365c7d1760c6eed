// Shows the OpenAPI document of this server; nothing is fetched from another host, not even a validator's badge.
const place = document.getElementById("api");
window.ui = SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
