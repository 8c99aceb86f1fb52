#!/usr/bin/env bash
# Makes what infra/compose.production.yaml reads as secrets, in a new folder: an authority, certificates of it, passwords.
#
#   infra/production/secrets.sh FOLDER [GATEWAY_HOST…]
#
# GATEWAY_HOST: under which names people open the gateway and Grafana, beside localhost. Certificates are valid for a
# year; the authority's key (ca.key) signs the next ones, and belongs on no server.
set -euo pipefail
umask 077

folder=${1:?which folder}
shift
if [ -e "$folder" ]; then
    echo "$folder is there already: secrets are made in a new folder" >&2
    exit 1
fi
mkdir -p "$folder/kafka"
cd "$folder"

word() { openssl rand -hex 24; }

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=hft authority" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout ca.key -out ca 2>/dev/null

# certificate CN HOST…: CN.pem and CN.key (PKCS #8), for both ends of a connection.
certificate() {
    local name=$1 hosts
    shift
    hosts=$(printf 'DNS:%s,' "$@")
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
        -keyout "$name.key" -out "$name.csr" 2>/dev/null
    openssl x509 -req -in "$name.csr" -CA ca -CAkey ca.key -CAcreateserial -days 365 -out "$name.pem" 2>/dev/null \
        -extfile <(printf 'subjectAltName=%s\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n' "${hosts%,}")
    rm "$name.csr"
}

for number in 1 2 3; do
    certificate "kafka-$number" "kafka-$number"
    cat "kafka-$number.key" "kafka-$number.pem" ca >"kafka_${number}_keystore"
    rm "kafka-$number.key" "kafka-$number.pem"
done
# place CN TARGET HOST…: TARGET_certificate and TARGET_key.
place() {
    local name=$1 target=$2
    shift 2
    certificate "$name" "$@"
    mv "$name.pem" "${target}_certificate"
    mv "$name.key" "${target}_key"
}
place hft-admin admin hft-admin
place timescaledb postgres timescaledb
place redis redis redis
place gateway gateway gateway localhost "$@"
place grafana grafana grafana localhost "$@"

word >jwt_secret
word >grafana_password
word | tr -d '\n' >postgres_password
printf 'postgresql://hft:%s@timescaledb:5432/hft?sslmode=verify-full&sslrootcert=/run/secrets/ca\n' \
    "$(cat postgres_password)" >postgres_dsn
redis=$(word)
printf 'user default off\nuser hft on >%s ~* &* +@all\n' "$redis" >redis_users
printf 'rediss://hft:%s@redis:6379/0?ssl_ca_certs=/run/secrets/ca\n' "$redis" >redis_url
rm -f ca.srl
echo "made in $folder: the passwords of Kafka's users come from kafka-access, zeromq_key from hft curve"
