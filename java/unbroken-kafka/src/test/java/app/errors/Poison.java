package app.errors;

/** An exception of an application. */
@SuppressWarnings("serial")
public class Poison extends RuntimeException {

    public Poison(String message) {
        super(message);
    }
}
