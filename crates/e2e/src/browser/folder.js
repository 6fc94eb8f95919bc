// Firefox, in the browser's own window (arguments: selector, folder): answers the page's next folder dialog.
(async ([selector, folder]) => {
  const contract = "@mozilla.org/filepicker;1";
  const registrar = Components.manager.QueryInterface(Ci.nsIComponentRegistrar);
  const real = registrar.contractIDToCID(contract);
  const ours = Services.uuid.generateUUID();
  const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
  file.initWithPath(folder);
  await new Promise((answered, failed) => {
    const picker = {
      QueryInterface: ChromeUtils.generateQI(["nsIFilePicker"]),
      init() {}, close() {},
      appendFilters() {}, appendFilter() {}, appendRawFilter() {},
      isModeSupported: async () => true,
      file, displayDirectory: null, defaultString: "", defaultExtension: "",
      filterIndex: 0, addToRecentDocs: false, okButtonLabel: "", capture: 0,
      open(callback) {
        registrar.unregisterFactory(ours, factory);
        registrar.registerFactory(real, "", contract, null);
        // Later: the driver must not be in a script when the browser's question comes.
        setTimeout(() => callback.done(Ci.nsIFilePicker.returnOK), 500);
        answered();
      },
    };
    const factory = {
      QueryInterface: ChromeUtils.generateQI(["nsIFactory"]),
      createInstance: iid => picker.QueryInterface(iid),
    };
    registrar.registerFactory(ours, "", contract, factory);
    const page = gBrowser.selectedBrowser.browsingContext.currentWindowGlobal.getActor("MarionetteCommands");
    const click = "document.notifyUserGestureActivation(); document.querySelector(arguments[0]).click()";
    page.executeScript(click, [selector], { sandboxName: "system" }).catch(failed);
    setTimeout(failed, 20000, "the page opened no folder dialog");
  });
})(args)
