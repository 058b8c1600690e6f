"""The network of the question in Keras 3, with what it was trained with."""

import keras

(x_train, _), (x_test, _) = keras.datasets.fashion_mnist.load_data()
x_train, x_test = (x.reshape(len(x), 784).astype("float32") / 255 for x in (x_train, x_test))

epochs, batch_size = 5, 128
autoencoder = keras.Sequential(
    [
        keras.Input((784,)),
        keras.layers.Dense(784, activation="relu"),
        keras.layers.Dense(784, activation="sigmoid"),
    ]
)
autoencoder.compile(optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy")
autoencoder.fit(x_train, x_train, epochs=epochs, batch_size=batch_size)

error = float(((autoencoder.predict(x_test) - x_test) ** 2).mean())
print(f"mean squared error of the test images: {error:.2e}")
