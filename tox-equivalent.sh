#!/usr/bin/env bash
# All tests, or the lanes named: ./tox-equivalent.sh [plain] [broker] [root]
set -u
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 2
dotnet build NovaLxd.sln -c Release -nologo -clp:NoSummary || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
dotnet test NovaLxd.sln -c Release --no-build
