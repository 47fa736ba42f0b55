#!/bin/bash
# Checks the rules between the engine and PostgreSQL; see wall.py. scripts/wall.sh [TREE]
exec python3 "$(dirname "$0")/wall.py" "$@"
