from setuptools import setup

setup(
    cffi_modules=["sdk/movable/core/build.py:ffi"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
