"""The `atvio` command: one module per subcommand, each with EXAMPLES, add_arguments(parser) and run(arguments).

Nothing heavy is imported before a subcommand runs, so `atvio --help` answers at once. A known error becomes one line on
stderr and exit status 1; an unknown one keeps its traceback.
"""
